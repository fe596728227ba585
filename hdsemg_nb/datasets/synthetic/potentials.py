"""Action potentials of motor units as surface electrodes see them.

Intracellular action potentials (Rosenfalck 1969) travel from the end plates to the ends of pennate
fibres and die out there. The tripole of Merletti et al. 1999 (doi:10.1109/10.771190) is this source
in three points; whole, it has more low frequencies. A layered, anisotropic volume conductor of
finite size, muscle, fat and skin, carries them to the electrodes (`_skin_potentials`).

Axes, in mm: x across the limb, z distally along it, both from the centre of the grid; y into the
limb from the surface of the muscle.
"""

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.special import j1, ndtr

from hdsemg_nb.datasets.synthetic.muscle import FS

WIDTH = 128  # samples of an action potential

# Motor units and fibres, mm and ms.
_FIBRE_AREA = 4000e-6  # mm2, gastrocnemius of young men (Trappe et al. 2001)
_INTRACELLULAR = 1.0  # S/m (Andreassen & Rosenfalck 1981)
_END_SCATTER = 4.0
_PENNATION = (20.0, 10.0)  # degrees at rest, and more per MVC (Maganaris et al. 1998)
_ENDPLATE_SCATTER = 8.0  # of the fibres of one motor unit
_ONSET_MS, _ONSET_SCATTER_MS = 6.0, 2.0  # of the fibres of one motor unit
_SUPERFICIAL_END = (1.0, 3.0)  # depth in the muscle
_N_PLACES, _N_ONSETS = 16, 24  # samples of a territory and of the onsets
_BEYOND, _NODE_MM = 10.0, 75 / 47  # nodes reach so far beyond the fibres, and are so far apart

# Volume conductor, mm and S/m: muscle and fat as in Farina et al. 2004
# (doi:10.1109/TBME.2003.820998), dry skin of Gabriel et al. 1996
# (doi:10.1088/0031-9155/41/11/003).
_ALONG, _ACROSS, _FAT, _SKIN = 0.5, 0.1, 0.05, 2e-4
_SKIN_MM, _MUSCLE_MM, _GIRTH_MM, _PERIOD_MM = 1.0, 30.0, 346.0, 512.0
_ELECTRODE_RADIUS_MM = 0.5
_DX, _DY, _DZ = 2.0, 1.5, 1.0  # mm, steps of the table of skin potentials
_REFERENCE = (_GIRTH_MM / 2, 230.0)  # mm, on the shin above the ankle


def action_potentials(person, level, units, electrodes, fibre_mm):
    """Potentials of one discharge in uV, shape (units, channels, WIDTH), from the discharge on."""
    nodes = _nodes(fibre_mm)
    pennation = np.radians(_PENNATION[0] + _PENNATION[1] * level)
    table = _skin_potentials(person.fat_mm, pennation)
    places = np.vstack([electrodes, _REFERENCE])
    potentials = np.empty((len(units), len(electrodes), WIDTH), dtype=np.float32)
    for potential, unit in zip(potentials, units, strict=True):
        rng = np.random.default_rng([*person.seed, 2, unit])
        seen = _seen(table, pennation, person.pool, unit, places, nodes, rng)
        all_places = seen @ _currents(person.pool, unit, nodes, rng)
        potential[:] = all_places[:-1] - all_places[-1]
    return potentials


def _nodes(fibre_mm):
    """Places along the fibres in mm from their superficial ends."""
    length = fibre_mm + 2 * _BEYOND
    return np.linspace(-_BEYOND, fibre_mm + _BEYOND, round(length / _NODE_MM) + 1)


def _skin_potentials(fat_mm, pennation):
    """Potential on the skin of a point current in the muscle.

    Three layers, muscle of finite thickness, fat and skin, are solved in the plane of spatial
    frequencies (Farina & Merletti 2001, doi:10.1109/10.923782) with the axis of the muscle's
    anisotropy at the pennation angle to the skin (as in Mesin & Farina 2004, IEEE Trans Biomed
    Eng 51:1521). No current leaves the skin or the muscle's deep face. The limb
    is unrolled: x is periodic over its girth, so that muscle thickness times girth is about its
    cross-section, and the far field does not spread as in an infinite half space.

    With k = |(kx, kz)|, s = conductivity, h = thickness, d = depth of the source, and for the
    muscle Y = sqrt(syy sr kx^2 + sr sl kz^2), q = Y / syy, the layers above it have the admittance

        Ys = ss k tanh(k hs),  Yf = sf k (Ys + sf k tanh(k hf)) / (sf k + Ys tanh(k hf))

    and a unit current gives cosh(q (h - d)) / (Y sinh(q h) + Yf cosh(q h)) on the muscle, which
    fat and skin pass on by 1 / ((cosh(k hf) + Ys / (sf k) sinh(k hf)) cosh(k hs)). The tilt of
    the axis only moves the pattern along z, see `_seen`. A round electrode takes the mean over
    its area, 2 J1(k r) / (k r).

    Returns
    -------
    numpy.ndarray of float32, shape (depths, x, z)
        uV per A at steps of `_DY`, `_DX`, `_DZ` from the source.
    """
    n_x, n_z = round(_GIRTH_MM / _DX), round(_PERIOD_MM / _DZ)
    kx = 2 * np.pi * np.fft.fftfreq(n_x, _DX)[:, None]
    kz = 2 * np.pi * np.fft.rfftfreq(n_z, _DZ)
    k = np.hypot(kx, kz)
    k[0, 0] = 1.0  # the sources sum to zero: their mean potential is set to 0 below
    normal = _normal_conductivity(pennation)
    q = np.sqrt(_ACROSS / normal * kx**2 + _ACROSS * _ALONG / normal**2 * kz**2)
    q[0, 0] = 1.0
    skin, fat = _SKIN * k * np.tanh(k * _SKIN_MM), _FAT * k
    above = fat * (skin + fat * np.tanh(k * fat_mm)) / (fat + skin * np.tanh(k * fat_mm))
    passed = 1 / (np.cosh(k * fat_mm) + skin / fat * np.sinh(k * fat_mm)) / np.cosh(k * _SKIN_MM)
    passed *= 2 * j1(k * _ELECTRODE_RADIUS_MM) / (k * _ELECTRODE_RADIUS_MM)
    depth = np.arange(0, _MUSCLE_MM + _DY / 2, _DY)[:, None, None]
    decay = np.exp(-q * depth) * (1 + np.exp(-2 * q * (_MUSCLE_MM - depth)))  # of both cosh
    decay /= 1 + np.exp(-2 * q * _MUSCLE_MM)
    transfer = decay * passed / (normal * q * np.tanh(q * _MUSCLE_MM) + above)
    transfer[:, 0, 0] = 0
    table = np.fft.irfft2(transfer, s=(n_x, n_z))[:, : n_x // 2 + 1, : n_z // 2 + 1]
    return (1e9 / (_DX * _DZ) * table).astype(np.float32)  # 1e9: from V mm / (S/m mm2) to uV


def _normal_conductivity(pennation):
    return _ACROSS + (_ALONG - _ACROSS) * np.sin(pennation) ** 2


def _seen(table, pennation, pool, unit, places, nodes, rng):
    """Potential in uV per A at each place from each node along the fibres, mean over the territory.

    The conductivity tensor, tilted by the pennation, moves the pattern on the skin along z by
    -syz / syy times the depth of the source (see `_skin_potentials`).
    """
    x, z = (pool.centre[unit] + rng.normal(0, pool.spread[unit], (_N_PLACES, 2))).T
    depth = rng.uniform(*_SUPERFICIAL_END, _N_PLACES)[:, None] + nodes * np.sin(pennation)
    depth = np.clip(depth, 0, _MUSCLE_MM)
    along = z[:, None] + (nodes - (nodes[0] + nodes[-1]) / 2) * np.cos(pennation)
    skew = (_ALONG - _ACROSS) * np.sin(pennation) * np.cos(pennation)
    along -= skew / _normal_conductivity(pennation) * depth
    distance = np.empty((3, len(places), _N_PLACES, len(nodes)), dtype=np.float32)
    distance[0] = depth / _DY
    distance[1] = np.abs(places[:, 0, None, None] - x[:, None]) / _DX
    distance[2] = np.abs(places[:, 1, None, None] - along) / _DZ
    seen = map_coordinates(table, distance, order=1, mode="nearest", output=np.float32)
    return seen.mean(axis=1)


def _currents(pool, unit, nodes, rng):
    """Membrane current in A at each node of all fibres together, shape (nodes, WIDTH).

    The action potential starts at the end plate, travels both ways and ends with the fibre:
    axial current is conductivity x area x gradient of the intracellular potential, nothing flows
    beyond the ends, and what the axial current loses leaves through the membrane. End plates,
    onsets and ends differ between the fibres; the mean over them is simulated.
    """
    time, fibre_mm = 1000 * np.arange(WIDTH) / FS, nodes[-1] - _BEYOND
    onset = _ONSET_MS + _ONSET_SCATTER_MS * rng.normal(size=_N_ONSETS)
    middle = fibre_mm / 2 + pool.endplate[unit]
    endplate = middle + _ENDPLATE_SCATTER * rng.normal(size=_N_ONSETS)
    front = pool.velocity[unit] * (time - onset[:, None])  # (onsets, time), mm from the end plate
    behind = front[:, None] - np.abs(nodes - endplate[:, None])[..., None]
    potential = _intracellular(behind).mean(axis=0)  # mV, (nodes, time)
    axial = np.diff(potential, axis=0) / np.diff(nodes)[:, None]  # mV/mm
    between = (nodes[1:] + nodes[:-1]) / 2
    present = ndtr(between / _END_SCATTER) * ndtr((fibre_mm - between) / _END_SCATTER)
    axial *= present[:, None] * pool.n_fibres[unit] * _FIBRE_AREA * _INTRACELLULAR * 1e-6  # A
    return np.diff(axial, axis=0, prepend=0, append=0)


def _intracellular(behind):
    """Rosenfalck's action potential above rest in mV, `behind` mm behind its front."""
    behind = np.maximum(behind, 0)
    return 96 * behind**3 * np.exp(-behind)


def energy_centre(potential):
    """Sample in the middle of the energy of an action potential (channels, samples)."""
    energy = np.square(potential).sum(axis=0)
    return round(float(energy @ np.arange(len(energy)) / energy.sum()))
