"""What the header of an object file has beside that of a C file: the calls of kernels.

Placeholders as in ``c_templates``. A kernel takes addresses and numbers; what it works
with is put together here.
"""

KERNELS = """
/* What the object file has. */
double @p@_evaluation(const double *x, const double *p, double *g);
@second@@along@"""
ALONG = """\
double @p@_along(const double *x, const double *p, double *g, const double *v);
"""
SECOND = "double @p@_second(const double *x, const double *p, double *h);\n"

BIND = """
/* double p[@U@_WORDS]; it is valid as long as the data stay where they are. */
#define @U@_WORDS @count@

@comment@static inline void @p@_bind(@arguments@)
{
  static const int64_t never = 0;
  int64_t words[@U@_WORDS];
  memset(words, 0, sizeof words);
@assigned@}
"""

FUNCTIONS = """
static inline double @p@_value(const double *x@p_last@)
{
  double g[@n@];
  return @p@_evaluation(x, @p_or_none@, g);
}

static inline double @p@_gradient(const double *x, @p_take@double *g)
{
  return @p@_evaluation(x, @p_or_none@, g);
}
"""
HESSIAN = """
static inline void @p@_hessian(const double *x, @p_take@double *h)
{
  for (int k = 0; k < @n@*@n@; k++) h[k] = 0.0;
  (void)@p@_second(x, @p_or_none@, h);
}
"""
HESSP = """
static inline double @p@_hessp(const double *x, const double *v, @p_take@double *g)
{
  return @p@_along(x, @p_or_none@, g, v);
}
"""

RECORD = """
/* What a kernel is told and tells of a run. */
typedef struct {
@fields@} @p@_record;
"""

# -------------------------------------------------------------------------- a rule

RULE_KERNELS = """\
int64_t @p@_loop(@p@_record *record, double *slots, double *candidate, double *g,
    const double *h, const double *p, const double *lower, const double *upper,
    double *rows);
@initial@"""
INITIAL = """\
int64_t @p@_initial(int64_t runs, int64_t varied, double *slots, const double *fg,
    const double *h);
"""

RULE = """
static inline int @p@_go(@p@_run *run, @p_take@@h_take@double gtol, int64_t last)
{
  double slots[@width@*@n@], candidate[@width@*@n@ + @n@ + 1], rows[1] = {0.0};
  static const double lower[] = {@lower@};
  static const double upper[] = {@upper@};
  int status;
  @p@_record record;
  memset(&record, 0, sizeof record);
  for (int k = 0; k < @n@; k++) {
    slots[k] = run->x[k];
@load@  }
  record.t = run->t;
  record.last = last;
  record.pending = run->t < 0;
  record.gtol = gtol;
  record.target = -(double)INFINITY;
  record.best = (double)INFINITY;
  record.value = run->f;
  status = (int)@p@_loop(&record, slots, candidate, run->g, @h_or_none@, @p_or_none@,
      lower, upper, rows);
  for (int k = 0; k < @n@; k++) {
    run->x[k] = slots[k];
@store@  }
  run->t = record.t < 0 ? 0 : record.t;
  run->f = record.t < 0 ? candidate[@width@*@n@] : record.value;
  run->norm = record.norm;
  return status;
}

static inline int @p@_begin(@p@_run *run, const double *x, @p_take@@h_take@double gtol)
{
@status@  for (int k = 0; k < @n@; k++) run->x[k] = x[k];
@inside@@zero@  memset(run->g, 0, sizeof run->g);
  run->f = 0.0;
  run->t = -1;
@first@  return @p@_go(run, @p_pass@@h_pass@gtol, 0);
}

static inline int @p@_update(@p@_run *run, @p_take@@h_take@double gtol)
{
  return @p@_go(run, @p_pass@@h_pass@gtol, run->t + 1);
}

static inline int @p@_minimize(@p@_run *run, const double *x, @p_take@@h_take@\
double gtol,
    int64_t maxiter)
{
  int status = @p@_begin(run, x, @p_pass@@h_pass@gtol);
  if (status == @U@_RUNNING) status = @p@_go(run, @p_pass@@h_pass@gtol, maxiter);
  return status == @U@_RUNNING ? @U@_MAXITER : status;
}
"""
LOAD = (
    "    for (int j = 1; j < @width@; j++) slots[j*@n@ + k] = run->state[j - 1][k];\n"
)
STORE = (
    "    for (int j = 1; j < @width@; j++) run->state[j - 1][k] = slots[j*@n@ + k];\n"
)
FIRST = """\
  status = @p@_go(run, @p_pass@@h_pass@gtol, 0);
  if (status == @U@_DIVERGED) return status;
  {
    double slots[@width@*@n@] = {0.0}, fg[@n@ + 1];
    fg[0] = run->f;
    for (int k = 0; k < @n@; k++) {
      slots[k*@width@] = run->x[k];
      fg[k + 1] = run->g[k];
    }
    (void)@p@_initial(1, 0, slots, fg, @h_or_none@);
    for (int k = 0; k < @n@; k++)
      for (int j = 1; j < @width@; j++) run->state[j - 1][k] = slots[k*@width@ + j];
    run->t = -1;
  }
"""

# --------------------------------------------------------------- the default method

SOLVER = """
enum { @enum@ };

/* A descent by the default method, and what it works with. */
typedef struct {
  double x[@n@]; /* the iterate */
  double g[@n@]; /* the gradient there */
  double f;    /* the value there */
  double norm; /* the largest component of the gradient that no bound holds */
  int64_t t;   /* iterations */
  int64_t evaluations;
  double lower[@n@], upper[@n@], memory[@memory@], matrices[@matrices@];
} @p@_run;

/* Where what a kernel works with is. */
typedef struct {
@arrays@} @p@_arrays;

int64_t @p@_loop(@p@_record *record, @p@_arrays *arrays);

/* Minimise from x: L-BFGS@newton@. Without bounds, lower and upper are 0.
   @U@_CONVERGED: norm <= gtol. @U@_ABNORMAL: no step lowers f, as at a kink, or where
   gtol is below rounding. @U@_DIVERGED: f isn't finite at x, or falls without end. */
static inline int @p@_minimize(@p@_run *run, const double *x, @p_take@\
const double *lower,
    const double *upper, double gtol, int64_t maxiter)
{
  static const int64_t ends[] = {@ends@};
  const int stages = (int)(sizeof ends/sizeof *ends);
  int stage = 0, status = @U@_RUNNING;
  int64_t end;
  double rows[1] = {0.0};
  @p@_record record;
  @p@_arrays arrays;
  memset(&record, 0, sizeof record);
  memset(&arrays, 0, sizeof arrays);
  for (int k = 0; k < @n@; k++) {
    run->lower[k] = lower ? lower[k] : -(double)INFINITY;
    run->upper[k] = upper ? upper[k] : (double)INFINITY;
    run->x[k] = x[k] < run->lower[k] ? run->lower[k] : x[k];
    run->x[k] = run->x[k] > run->upper[k] ? run->upper[k] : run->x[k];
  }
  arrays.function = (int64_t)(intptr_t)@p@_evaluation;
@hessian_at@  arrays.x = (int64_t)(intptr_t)run->x;
  arrays.gradient = (int64_t)(intptr_t)run->g;
  arrays.constants = (int64_t)(intptr_t)@p_or_none@;
  arrays.lower = (int64_t)(intptr_t)run->lower;
  arrays.upper = (int64_t)(intptr_t)run->upper;
  arrays.memory = (int64_t)(intptr_t)run->memory;
  arrays.matrices = (int64_t)(intptr_t)run->matrices;
  arrays.trace = (int64_t)(intptr_t)rows;
  record.t = -1;
  record.pending = 1;
  record.variables = @n@;
  record.parameters = @parameters_count@;
  record.gtol = gtol;
  record.target = -(double)INFINITY;
  record.best = (double)INFINITY;
  record.reach = 1.0;
  end = ends[0];
  while (status == @U@_RUNNING && record.t < maxiter) {
    if (stage + 1 < stages && record.t >= end) {
      stage++;
      end = record.t + ends[stage];
      record.newton = stage % 2;
      record.pairs = record.idle = 0;
      record.reach = 1.0;
      record.deepest = record.value;
    }
    record.last = stage + 1 < stages && end < maxiter ? end : maxiter;
    status = (int)@p@_loop(&record, &arrays);
    if (status == @U@_ABNORMAL && stage == 0 && stages > 1) {
      end = record.t; /* Newton's method may still find a step */
      status = @U@_RUNNING;
    }
  }
  run->f = record.value;
  run->norm = record.norm;
  run->t = record.t;
  run->evaluations = record.evaluations;
  return status == @U@_RUNNING ? @U@_MAXITER : status;
}
"""
