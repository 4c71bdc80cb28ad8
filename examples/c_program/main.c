/* A C program that minimises, without Python.

   symgd export "(1 - x)**2 + 100*(y - x**2)**2" --method amsgrad -o valley.c
   cc -std=c99 -O2 main.c valley.c -o main -lm && ./main */

#include <stdio.h>

#include "valley.h"

int main(void)
{
  double h[] = VALLEY_HYPERPARAMETERS;
  const double start[VALLEY_VARIABLES] = {-1.2, 1.0};
  double hessian[VALLEY_VARIABLES*VALLEY_VARIABLES];
  valley_run run;
  int status;

  h[0] = 0.05; /* the step size */

  /* A loop of one's own, as an interrupt or a control loop would have it: */
  status = valley_begin(&run, start, h, 1e-8);
  while (status == VALLEY_RUNNING && run.t < 1000) status = valley_update(&run, h, 1e-8);
  printf("after %ld updates: f = %.17g\n", (long)run.t, run.f);

  /* All at once: */
  status = valley_minimize(&run, start, h, 1e-8, 100000);
  printf("status %d after %ld updates: f = %.17g at\n", status, (long)run.t, run.f);
  printf("  x = %.17g\n  y = %.17g\n", run.x[0], run.x[1]);

  valley_hessian(run.x, hessian);
  printf("Hessian %.6g %.6g %.6g\n", hessian[0], hessian[1], hessian[3]);
  return status != VALLEY_CONVERGED;
}
