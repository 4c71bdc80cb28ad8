/* A C program that fits a ridge regression to data of its own, by symgd's default method.

   symgd export "mean((y - A @ w - b)**2) + lam*sum(w**2)" --data points.npz \
       --parameter lam=0.1 --method auto -o ridge.o
   cc -std=c99 -O2 regression.c ridge.o -o regression -lm && ./regression

   ridge.c has the same loops as C, with --method gd, say, of which ridge_minimize takes the
   hyperparameters in the place of bounds: ridge_minimize(&run, start, p, h, 1e-8, 100000).

   points.npz has the kinds of the data, y[i] and A[i, 2]; rows are counted here. */

#include <math.h>
#include <stdio.h>

#include "ridge.h"

enum { ROWS = 1000 };

int main(void)
{
  static double A[2*ROWS], y[ROWS];
  static ridge_run run;
  const double start[RIDGE_VARIABLES] = {0.0};
  double p[RIDGE_WORDS];
  for (int i = 0; i < ROWS; i++) {
    A[2*i] = sin(i);
    A[2*i + 1] = cos(3*i);
    y[i] = 2*A[2*i] - A[2*i + 1] + 0.5 + 0.1*sin(7*i);
  }
  ridge_bind(p, 0.1, ROWS, A, y);
  int status = ridge_minimize(&run, start, p, 0, 0, 1e-8, 1000);

  printf("status %d after %d iterations\n", status, (int)run.t);
  for (int k = 0; k < RIDGE_VARIABLES; k++) printf("x[%d] = %.17g\n", k, run.x[k]);
  return status != RIDGE_CONVERGED;
}
