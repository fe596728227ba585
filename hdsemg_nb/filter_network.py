from hdsemg_nb.decoders.muf_net import *  # noqa
