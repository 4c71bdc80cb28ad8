"""What surrounds loops over arrays in a C file: what they are told, how they add up.

Placeholders as in ``c_templates``.
"""

DATA = """
/* What is told of the data. */
typedef struct {
@fields@} @p@_data;

/* double p[@U@_WORDS]; it is valid as long as the data stay where they are. */
#define @U@_WORDS ((int)((sizeof(@p@_data) + sizeof(double) - 1)/sizeof(double)))

@comment@static inline void @p@_bind(@arguments@)
{
  const @p@_data data = {@names@};
  memcpy(p, &data, sizeof data);
}
"""

VALUE = """\
double @p@_value(const double *x@p_last@)
{
  double g[@n@];
  return @p@_gradient(x, @p_pass@g);
}

"""

LOOPS = """\
double @p@_@name@(const double *x, @v_take@@p_take@double *g)
{
@data@@lines@}

"""
TOLD = """\
  @p@_data d;
  memcpy(&d, p, sizeof d);
"""

ORDER = """\
Sums are added in symgd's order: the iterations of a loop into {} sums side by side, \
what is left into one more; blocks of {} iterations, or {} of loops around others, \
pairwise."""

# Of the self-test: data that are made up.
WITH_P = """\
  double p[@U@_WORDS];
@filled@  @p@_bind(@given@);
"""

# A helper stands before those that call it.
HELPERS = {
    "larger": """\
static int64_t @p@_larger(int64_t a, int64_t b) { return a > b ? a : b; }

""",
    "smaller": """\
static int64_t @p@_smaller(int64_t a, int64_t b) { return a < b ? a : b; }

""",
    "floored": """\
/* Divide, rounding down. */
static int64_t @p@_floored(int64_t a, int64_t b)
{
  return a/b - (a%b != 0 && (a%b < 0) != (b < 0));
}

""",
    "modulus": """\
static int64_t @p@_modulus(int64_t a, int64_t b)
{
  const int64_t rest = a%b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

""",
    "lane_of": """\
/* Which of @lanes@ sums an iteration goes to; the last few go to one more. */
static int64_t @p@_lane_of(int64_t i, int64_t low, int64_t high)
{
  return i - low < (high - low)/@lanes@*@lanes@ ? (i - low)%@lanes@ : @lanes@;
}

""",
    "join": """\
/* Join two parts: of a sum, '+', a product, '*', or a maximum, in which NaN stays. */
static double @p@_join(char kind, double a, double b)
{
  if (kind == '>') return a > b || a != a ? a : b;
  return kind == '*' ? a*b : a + b;
}

""",
    "join_lanes": """\
/* Join what is in lanes, in halves, and what is in one more. */
static double @p@_join_lanes(char kind, double *lanes)
{
  for (int half = @lanes@/2; half > 0; half /= 2)
    for (int k = 0; k < half; k++)
      lanes[k] = @p@_join(kind, lanes[k], lanes[k + half]);
  return @p@_join(kind, lanes[0], lanes[@lanes@]);
}

""",
    "join_blocks": """\
/* Join blocks pairwise: the last two while both are of as many blocks, which they are
   as often as the number of blocks that are done can be halved; if it is 0, all. */
static int64_t @p@_join_blocks(const char *kinds, double *blocks, int64_t depth,
    int64_t done)
{
  const int64_t width = (int64_t)strlen(kinds);
  for (; depth > 1 && done%2 == 0; done /= 2) {
    double *a = blocks + (depth - 2)*width, *b = a + width;
    for (int64_t k = 0; k < width; k++) a[k] = @p@_join(kinds[k], a[k], b[k]);
    depth--;
  }
  return depth;
}

""",
}
