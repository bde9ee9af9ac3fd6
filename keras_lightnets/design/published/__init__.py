"""The cost tables of the papers and of the authors' pages: the figures as printed, and what counts them.

Where a count neither rounds to the printed figure nor is cut off to it, the row says why, or the next row counts what
the figure stands for.
"""

from keras_lightnets.design.published import heads, micronet, mobilenet, mobilenet_v2, rexnet, shufflenet

TABLES = {
    **mobilenet.TABLES,
    **mobilenet_v2.TABLES,
    **shufflenet.TABLES,
    **micronet.TABLES,
    **rexnet.TABLES,
    **heads.TABLES,
}
