from hdsemg_nb.decoders import FILTER, Run  # noqa
