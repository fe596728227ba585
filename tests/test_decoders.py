import pytest
import torch
from torch import nn

from hdsemg_nb.decoders import DECODERS, PAPER_NETWORKS, architecture, build_model, ml_dcnn, mt_dcnn
from hdsemg_nb.decoders.ml_drsnet import ShrinkageBlock


@pytest.mark.parametrize("name", PAPER_NETWORKS)
@pytest.mark.parametrize("window", [20, 60, 100, 140])
@pytest.mark.parametrize(("n_motor_units", "n_channels"), [(1, 64), (3, 5), (2, 1)])
def test_shapes(name, window, n_motor_units, n_channels):
    model = build_model(name, window, n_motor_units, n_channels).eval()
    assert model(torch.zeros(2, n_channels, window)).shape == (2, n_motor_units)


# By hand, M = 18, 64 channels. A convolution of k to n channels has n * k * (kernel) weights, and n
# biases where it has no batch normalisation behind it (2 n weights).
CONV_A, CONV_B, CONV_C = 128 * 64 * 3 + 128, 128 * 128 * 3 + 128, 64 * 128 * 3 + 64


def block_by_hand(k, n):
    convolutions = n * k * 9 + n * n * 9
    attention = 2 * (n * n + n) + 2 * n
    shortcut = n * k + 2 * n if k != n else 0
    return convolutions + 2 * 2 * n + attention + shortcut


def test_parameters_of_ml_drsnet_by_hand():
    widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    stem, head = 64 * 9 + 2 * 64, 512 * 18 + 18
    blocks = sum(block_by_hand(k, n) for k, n in zip(widths, widths[1:], strict=False))
    assert stem + blocks + head == 12_577_234
    for window in (20, 140):
        assert architecture.n_parameters(build_model("ML-DRSNet", window, 18)) == 12_577_234


@pytest.mark.parametrize(("window", "left"), [(20, 2), (60, 12), (100, 22), (140, 32)])
def test_parameters_of_the_dcnns_by_hand(window, left):
    # valid convolutions and poolings: 20 -> 18, 16, 8, 6, 4, 2 samples of 64 features
    fc = 64 * left * 256 + 256
    ml = CONV_A + CONV_B + CONV_B + CONV_C + fc + 256 * 18 + 18
    mt = CONV_A + CONV_B + 18 * (CONV_B + CONV_C + fc + 256 + 1)
    assert architecture.n_parameters(build_model("ML-DCNN", window, 18)) == ml
    assert architecture.n_parameters(build_model("MT-DCNN", window, 18)) == mt
    if window == 20:
        assert (ml, mt) == (185_554, 2_003_602)


def test_macs_of_ml_dcnn_by_hand():
    macs = 18 * 128 * 64 * 3 + 16 * 128 * 128 * 3 + 6 * 128 * 128 * 3 + 4 * 64 * 128 * 3
    macs += 128 * 256 + 256 * 18
    assert architecture.n_macs(build_model("ML-DCNN", 20, 18), 64, 20) == macs


def test_strides_of_ml_drsnet():
    table = architecture.layer_table(build_model("ML-DRSNet", 20, 18), 64, 20)
    blocks = table[table["layer"].str.contains("Shrinkage")]["output"].tolist()
    sizes = [(64, 64, 20)] * 2 + [(128, 32, 10)] * 2 + [(256, 16, 5)] * 2 + [(512, 8, 3)] * 2
    assert blocks == sizes


def branch(model, unit, shared):
    """Logits of one motor unit from the shared features, layer by layer as published."""
    h = shared
    for conv in (model.first[0], model.second[0]):
        n = conv.out_channels // model.n_branches
        rows = slice(unit * n, (unit + 1) * n)
        h = nn.functional.conv1d(h, conv.weight[rows, :, 0], conv.bias[rows]).relu()
    h = nn.functional.max_pool1d(h, 2).flatten(1)
    for fc in (model.head[0], model.head[3]):
        h = nn.functional.linear(h.relu(), fc.weight[unit].T, fc.bias[unit, 0])  # h is positive
    return h


def test_mt_dcnn_equals_a_loop_over_branches():
    model = build_model("MT-DCNN", 24, 3, 8).eval()
    x = torch.randn(4, 8, 24)
    shared = model.shared(x[:, :, None])[:, :, 0]
    outputs = [branch(model, unit, shared) for unit in range(3)]
    torch.testing.assert_close(model(x), torch.cat(outputs, dim=1))


def test_the_branches_are_the_same_as_matrix_products():
    convolve, x = mt_dcnn.convolution(12, 15, branches=3), torch.randn(4, 12, 1, 9)
    torch.testing.assert_close(mt_dcnn.as_products(convolve, x), convolve(x))


def test_branches_of_mt_dcnn_do_not_touch():
    model = build_model("MT-DCNN", 20, 4, 8).eval()
    model(torch.randn(2, 8, 20))[:, 1].sum().backward()
    for weight in (model.first[0].weight, model.second[0].weight, model.head[0].weight):
        grad = weight.grad.reshape(4, -1).abs().sum(dim=1)
        assert grad[1] > 0 and grad[[0, 2, 3]].eq(0).all()


@pytest.mark.parametrize("name", PAPER_NETWORKS)
def test_a_window_is_decoded_alone(name):
    model = build_model(name, 20, 3, 8).eval()
    x = torch.randn(5, 8, 20)
    alone = torch.cat([model(window[None]) for window in x])
    torch.testing.assert_close(model(x), alone, atol=1e-5, rtol=1e-4)


def test_ml_dcnn_equals_its_one_dimensional_layers():
    model = build_model("ML-DCNN", 20, 3, 8).eval()
    x = h = torch.randn(4, 8, 20)
    for k, layer in enumerate(layer for layer in model.features if isinstance(layer, nn.Conv2d)):
        h = nn.functional.conv1d(h, layer.weight[:, :, 0], layer.bias).relu()
        h = nn.functional.max_pool1d(h, 2) if k in (1, 3) else h
    torch.testing.assert_close(model(x), model.head(h))


def test_dropout_drops_half_and_keeps_the_mean():
    dropout, x = ml_dcnn.Dropout(0.5), torch.ones(100, 100)
    y = dropout(x)
    assert set(y.unique().tolist()) == {0.0, 2.0} and abs(y.mean() - 1) < 0.05
    assert dropout(x.bfloat16()).dtype == torch.bfloat16
    assert torch.equal(dropout.eval()(x), x)


def test_branch_layer_is_drawn_like_a_linear_layer():
    layer = mt_dcnn.BranchLinear(4, 100, 50)
    assert layer.weight.abs().max() <= 0.1 and layer.weight.std().item() == pytest.approx(
        nn.Linear(100, 50).weight.std().item(), rel=0.05
    )


def shrink(features, alpha):
    """Output of a block's soft threshold alone: the shortcut and the ReLU taken away."""
    block = ShrinkageBlock(2, 2).eval()
    block.body, block.shortcut = nn.Identity(), ShiftUp()
    block.attention = Constant(alpha)
    return block(features) - 100


class ShiftUp(nn.Module):
    def forward(self, x):
        return torch.full_like(x, 100.0)


class Constant(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return torch.full_like(x, self.value)


def test_soft_threshold_by_hand():
    x = torch.tensor([-4.0, -1.0, 0.5, 2.5]).reshape(1, 1, 2, 2).repeat(1, 2, 1, 1)  # mean |x| 2
    torch.testing.assert_close(
        shrink(x, 0.5)[0, 0].flatten(), torch.tensor([-3.0, 0.0, 0.0, 1.5]), atol=1e-4, rtol=0
    )


def test_soft_threshold_properties():
    x = torch.randn(3, 2, 5, 7)
    torch.testing.assert_close(shrink(x, 0.0), x, atol=1e-4, rtol=0)  # threshold 0: identity
    torch.testing.assert_close(shrink(-x, 0.7), -shrink(x, 0.7), atol=1e-4, rtol=0)  # odd
    assert (shrink(x, 0.999).abs().amax(dim=(2, 3)) > 0).all()  # never all zero


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("ML-DRSnet", 20, 3), "Unknown decoder 'ML-DRSnet'. Did you mean 'ML-DRSNet'"),
        (("ML-DCNN", 15, 3), "window=15: ML-DCNN needs at least 16"),
        (("MT-DCNN", 20, 0), "n_motor_units=0: MT-DCNN needs at least 1"),
        (("ML-DRSNet", 20, 3, 0), "n_channels=0"),
    ],
)
def test_refuses_what_it_cannot_build(arguments, match):
    with pytest.raises(ValueError, match=match):
        build_model(*arguments)


@pytest.mark.parametrize("name", ["ML-DCNN", "MT-DCNN"])
def test_smallest_window(name):
    assert build_model(name, 16, 2).eval()(torch.zeros(1, 64, 16)).shape == (1, 2)


def test_every_network_documents_its_source():
    for network in map(DECODERS.get, PAPER_NETWORKS):
        for words in ("doi:", "The paper says", "We chose"):
            assert words.lower() in network.__doc__.lower(), (network.__name__, words)


def test_layer_table_names_layers_as_a_diagram_does():
    table = architecture.layer_table(build_model("MT-DCNN", 20, 3, 8), 8, 20).set_index("path")
    rows = {"shared.4": ("Max pool 2", (128, 8)), "second.0": ("Conv 3, 3 branches", (192, 4))}
    rows |= {"head.0": ("FC, 3 branches", (3, 256)), "head.3": ("FC, 3 branches", (3,))}
    for path, row in rows.items():
        assert tuple(table.loc[path, ["layer", "output"]]) == row


def test_no_strided_convolution_of_one_sample():
    """oneDNN writes past its buffer in the backward pass (see `decoders.ml_drsnet.Thinning`)."""
    kernels = [m for m in build_model("ML-DRSNet", 60, 3).modules() if isinstance(m, nn.Conv2d)]
    strided = {m.kernel_size for m in kernels if m.stride != (1, 1)}
    assert strided == {(3, 3)}


def test_a_filter_is_no_network():
    with pytest.raises(ValueError, match="network='motor-unit filter' must be one of"):
        build_model("motor-unit filter", 20, 3)
