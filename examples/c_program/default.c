/* A C program that minimises with symgd's default method, from an object file.

   symgd export "(1 - x)**2 + 100*(y - x**2)**2" --method auto -o valley.o
   cc -std=c99 -O2 default.c valley.o -o default -lm && ./default */

#include <stdio.h>

#include "valley.h"

int main(void)
{
  static valley_run run; /* with all that the method works with */
  const double start[VALLEY_VARIABLES] = {-1.2, 1.0};
  const double low[VALLEY_VARIABLES] = {-2.0, -2.0}, high[VALLEY_VARIABLES] = {0.5, 2.0};
  int status = valley_minimize(&run, start, 0, 0, 1e-8, 10000);

  printf("status %d after %d iterations, %d evaluations: f = %.17g at\n", status,
      (int)run.t, (int)run.evaluations, run.f);
  printf("  x = %.17g\n  y = %.17g\n", run.x[0], run.x[1]);

  status = valley_minimize(&run, start, low, high, 1e-8, 10000);
  printf("in bounds: x <= 0.5\n  x = %.17g\n  y = %.17g\n", run.x[0], run.x[1]);
  return status != VALLEY_CONVERGED;
}
