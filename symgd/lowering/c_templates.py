"""What surrounds straight-line functions in a C file: its header, a loop, a test.

``@p@`` is the prefix of all names, ``@U@`` the same in capitals; ``@p_...@`` and
``@h_...@`` are empty where a formula has no parameters and a rule no hyperparameters.
"""

OPENING = """\
@told@
#include "@header@"

#include <float.h>
#include <math.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "-ffast-math leaves out the tests that numbers are finite"
#endif
@evaluated@#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

"""

EVALUATED = """\
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "numbers must be rounded to double: -msse2 -mfpmath=sse"
#endif
"""

HEADER = """\
@told@
#ifndef @U@_H
#define @U@_H

#include <stdint.h>
@includes@
#ifdef __cplusplus
extern "C" {
#endif

#define @U@_VARIABLES @n@
@parameters@@kernels@
/* Return f. */
@scope@double @p@_value(const double *x@p_last@);

/* Return f, and write its gradient to g. */
@scope@double @p@_gradient(const double *x, @p_take@double *g);
@hessian@@product@@loop@@inline@
#ifdef __cplusplus
}
#endif

#endif
"""

PARAMETERS = """
/* const double p[] = @U@_PARAMETERS; */
@comment@#define @U@_PARAMETERS {@numbers@}
"""

HESSIAN_DECLARED = """
/* Write the Hessian to h, row by row. */
@scope@void @p@_hessian(const double *x, @p_take@double *h);
"""

PRODUCT_DECLARED = """
/* Write the Hessian's product with v to g; return @returned@. */
@scope@double @p@_hessp(const double *x, const double *v, @p_take@double *g);
"""

HESSIAN = """\
void @p@_hessian(const double *x, @p_take@double *h)
{
  for (int k = 0; k < @n@*@n@; k++) h[k] = 0.0;
  (void)@p@_second(x, @p_pass@h);
}

"""

# ------------------------------------------------------------------------- the loop

LOOP_HEADER = """@hyper@
enum { @enum@ };

/* A descent: all that it remembers. */
typedef struct {
  double x[@n@]; /* the iterate */
  double g[@n@]; /* the gradient there */
@state@  double f;    /* the value there */
  double norm; /* the largest component of the gradient */
  int64_t t;   /* updates so far */
} @p@_run;

/* Begin at x. @U@_DIVERGED: f or its gradient isn't finite there. */
@scope@int @p@_begin(@p@_run *run, const double *x, @p_take@@h_take@double gtol);

/* Update once. @U@_CONVERGED: norm <= gtol. @U@_DIVERGED: something wasn't finite, and
   the run is where it was before. Otherwise @U@_RUNNING. */
@scope@int @p@_update(@p@_run *run, @p_take@@h_take@double gtol);

/* Begin at x, and update until there is a reason to end, at most maxiter times. */
@scope@int @p@_minimize(@p@_run *run, const double *x, @p_take@@h_take@double gtol,
    int64_t maxiter);
"""

HYPERPARAMETERS = """
/* const double h[] = @U@_HYPERPARAMETERS; */
@comment@#define @U@_HYPERPARAMETERS {@numbers@}
"""

MOVE = """\
static void @p@_@name@_all(@p@_run *run, @p_points@@h_take@double t)
{
  double own[@all@], next[@width@];
@fresh@@schedule@@sums@  for (int k = 0; k < @n@; k++) {
    own[0] = run->x[k];
@load@@derived@    @p@_@name@_of_one(t, run->g[k], run->f, own, @place@@h_now@@r@next);
    run->x[k] = next[0];
@spoilt@@store@  }
}

"""

SCHEDULE = """\
  double now[@hyper@];
  @p@_schedule(t, h, now);
"""

LOAD = "    for (int j = 1; j < @width@; j++) own[j] = run->state[j - 1][k];\n"
STORE = "    for (int j = 1; j < @width@; j++) run->state[j - 1][k] = next[j];\n"

SUMS = """\
  double r[@known@] = {0.0}, sums[@totals@], parts[@parts@];
@points@  for (int stage = 0; stage < @stages@; stage++) {
    for (int i = 0; i < @totals@; i++) sums[i] = 0.0;
    for (int k = 0; k < @n@; k++) {
      own[0] = run->x[k];
  @load@@derived@      @p@_@name@_summands(t, run->g[k], run->f, own,
          @place@@h_now@r, parts);
      for (int i = 0; i < @totals@; i++) sums[i] += parts[i];
@there@    }
    for (int i = 0; i < @totals@; i++) r[i] = sums[i];
@at_point@  }
"""

# Of updates that evaluate at points; they end a stage.
POINTS = """\
  /* 1: a gradient, 2: a value alone, 3: a product */
  static const int ends[@stages@] = {@ends@};
  double there[@n@], ahead[@places@][@n@], slope[@n@];
  int place = 0, row = 0@point@;
"""
FRESH = "  for (int j = @width@; j < @all@; j++) own[j] = 0.0;\n"
DERIVED = "    for (int j = 0; j < row; j++) own[@width@ + j] = ahead[j][k];\n"
THERE = "      there[k] = place < @places@ ? parts[@totals@ + place] : 0.0;\n"
AT_POINT = """\
    if (ends[stage] != 0) {
      double value = 0.0;
      if (ends[stage] != 3) {
@confine@        value = @p@_gradient(there, @p_pass@slope);
@kept@      }
@multiplied@      place++;
      if (ends[stage] != 2) {
        /* a value that isn't finite spoils the gradient */
        for (int k = 0; k < @n@; k++) ahead[row][k] = slope[k] + (value - value);
        row++;
      }
    }
"""
CONFINE = "        @p@_inside(there, there);\n"
KEPT = "        r[@totals@ + point++] = value;\n"
MULTIPLIED = """\
      if (ends[stage] == 3) value = @p@_hessp(run->x, there, @p_pass@slope);
"""
SPOILT = "    for (int j = 0; j < row; j++) run->x[k] += ahead[j][k] - ahead[j][k];\n"

LOOP = """\
static int @p@_look(@p@_run *run, @p_take@double gtol)
{
  double everything, norm = 0.0;
  run->f = @p@_gradient(run->x, @p_pass@run->g);
@slopes@  everything = run->f;
  for (int k = 0; k < @n@; k++) {
    const double size = fabs(@slope@[k]);
    norm = size > norm ? size : norm;
    everything += run->g[k];
    everything += run->x[k];
@summed@  }
  run->norm = norm;
  if (!(fabs(everything) < (double)INFINITY)) return @U@_DIVERGED;
  return norm <= gtol ? @U@_CONVERGED : @U@_RUNNING;
}

int @p@_begin(@p@_run *run, const double *x, @p_take@@h_take@double gtol)
{
@ignored@@status@  for (int k = 0; k < @n@; k++) run->x[k] = x[k];
@inside@@zero@  run->t = 0;
@first@}

int @p@_update(@p@_run *run, @p_take@@h_take@double gtol)
{
  const @p@_run before = *run;
  int status;
  @p@_update_all(run, @p_points_pass@@h_pass@(double)run->t + 1.0);
@inside@  run->t++;
  status = @p@_look(run, @p_pass@gtol);
  if (status == @U@_DIVERGED) *run = before;
  return status;
}

int @p@_minimize(@p@_run *run, const double *x, @p_take@@h_take@double gtol,
    int64_t maxiter)
{
  int status = @p@_begin(run, x, @p_pass@@h_pass@gtol);
  while (status == @U@_RUNNING && run->t < maxiter)
    status = @p@_update(run, @p_pass@@h_pass@gtol);
  return status == @U@_RUNNING ? @U@_MAXITER : status;
}

"""

# Where there are bounds.
INSIDE = "  @p@_inside(run->x, run->x);\n"
SLOPES = """\
  double slopes[@n@];
  @p@_slopes(run->x, run->g, slopes);
"""

SUMMED = "    for (int j = 1; j < @width@; j++) everything += run->state[j - 1][k];\n"
ZERO = """\
  for (int j = 1; j < @width@; j++)
    for (int k = 0; k < @n@; k++) run->state[j - 1][k] = 0.0;
"""
AT_ZERO = "  return @p@_look(run, @p_pass@gtol);\n"
FIRST = """\
  status = @p@_look(run, @p_pass@gtol);
  if (status == @U@_DIVERGED) return status;
  @p@_first_all(run, @h_pass@1.0);
  return @p@_look(run, @p_pass@gtol);
"""

# -------------------------------------------------------------------- the self-test

SELF_TEST = """\
#ifdef @U@_SELF_TEST
#include <stdio.h>

static const double @p@_points[][@n@] = {
@points@};
/* f, its gradient@and_hessian@, as symgd has them@tolerances@. */
static const double @p@_expected[][@row@] = {
@expected@};

static int @p@_wrong(const double *got, const double *expected, int count)
{
  int wrong = 0;
  for (int k = 0; k < count; k++) {
    const double a = got[k], b = expected[k];
    if (@same@ || (a != a && b != b)) continue;
    printf("%.17g is not %.17g\\n", @wide@a, @wide@b);
    wrong++;
  }
  return wrong;
}

int main(void)
{
  const int points = (int)(sizeof @p@_points/sizeof *@p@_points);
  double got[@count@];
  int wrong = 0;
@with_p@  for (int k = 0; k < points; k++) {
    const double *x = @p@_points[k];
    got[0] = @p@_value(x@p_tail@);
    wrong += @p@_wrong(got, @p@_expected[k], 1);
    got[0] = @p@_gradient(x, @p_pass@got + 1);
@got_hessian@    wrong += @p@_wrong(got, @p@_expected[k], @count@);
  }
@run@  printf("@p@: %d points, %d numbers differ\\n", points, wrong);
  return wrong != 0;
}
#endif
"""
SAME = "memcmp(&a, &b, sizeof a) == 0"
WITHIN = "a == b || fabsf(a - b) <= expected[k + @count@]"
NEAR = "a == b || fabs(a - b) <= 1e-6*(1.0 + fabs(b))"
WITH_P = "  const double p[] = @U@_PARAMETERS;\n"
GOT_HESSIAN = "    @p@_hessian(x, @p_pass@got + 1 + @n@);\n"
GOT_PRODUCT = "    (void)@p@_hessp(x, x, @p_pass@got + 1 + @n@);\n"
RUN = """\
  {
    static const double start[] = {@start@};
    static const double end[] = {@end@};
@with_h@    @p@_run run;
    (void)@p@_minimize(&run, start, @p_pass@@h_pass@0.0, @updates@);
    wrong += run.t != @updates@;
    wrong += @p@_wrong(&run.f, end, 1);
    wrong += @p@_wrong(run.x, end + 1, @n@);
  }
"""
WITH_H = "    const double h[] = @U@_HYPERPARAMETERS;\n"

EXACT = """\
The bits are symgd's where the compiler neither fuses nor reorders what stands here: \
-std=c99 or -ffp-contract=off, and no -ffast-math. Link with -lm."""
SINGLE = """\
Single precision: there is no double in it, for processors whose unit for floats has \
none. Elementary functions are the C library's (expf, sinf, ...). The self-test allows \
what rounding each operation to a float can come to, and 8 ulps for functions of the \
library. Link with -lm."""
LIBRARYS = """\
Plain C for machines without a fused multiply-add: elementary functions are the C \
library's, so that the last digits aren't symgd's. Link with -lm."""
