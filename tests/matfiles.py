"""Writers of MATLAB 5 and v7.3 files, as MATLAB itself writes them."""

import h5py
import numpy as np
import scipy.io

MATLAB_CLASS = {"f8": "double", "u1": "uint8", "u2": "uint16", "i4": "int32"}


def cell(items, shape):
    out = np.empty(shape, dtype=object)
    for place, item in zip(np.ndindex(shape), items, strict=True):
        out[place] = item
    return out


def save_v5(path, content):
    scipy.io.savemat(path, content, do_compression=True)


def save_v73(path, content):
    """As MATLAB's save -v7.3: axes reversed, cells as references, empty arrays as their shape."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in content.items():
            put(file, name, value)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def put(parent, name, value):
    if isinstance(value, dict):
        group = parent.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for key, item in value.items():
            put(group, key, item)
        return
    is_text = isinstance(value, str)
    value = np.array([[ord(x) for x in value]], "u2") if is_text else np.atleast_2d(value)
    kind = "cell" if value.dtype == object else MATLAB_CLASS[value.dtype.str[1:]]
    if value.size == 0:
        dataset = parent.create_dataset(name, data=np.array(value.shape, dtype="u8"))
        dataset.attrs["MATLAB_empty"] = np.uint8(1)
    elif kind == "cell":
        hidden = parent.file.require_group("#refs#")
        references = np.empty(value.T.shape, dtype=h5py.ref_dtype)
        for place in np.ndindex(value.shape):
            key = f"r{len(hidden)}"
            put(hidden, key, value[place])
            references[place[::-1]] = hidden[key].ref
        dataset = parent.create_dataset(name, data=references, dtype=h5py.ref_dtype)
    else:
        dataset = parent.create_dataset(name, data=value.T)
    dataset.attrs["MATLAB_class"] = np.bytes_("char" if is_text else kind)
