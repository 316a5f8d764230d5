/* The triad a = b + 3 c, the last of the four kernels of STREAM (J. D. McCalpin, Memory Bandwidth and Machine Balance
 * in Current High Performance Computers, 1995), written anew in 32-bit floats with OpenMP.
 *
 * Usage: stream N, for arrays of N floats. It prints a line when it is ready, and then, for each line of its input, the
 * seconds of the fastest of three passes; a pass counts, as in STREAM, for 12 N bytes. It ends with 1 where the first
 * pass is wrong.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

static double pass(float *restrict a, const float *restrict b, const float *restrict c, long n)
{
    double begin = omp_get_wtime();
#pragma omp parallel for schedule(static)
    for (long i = 0; i < n; i++)
        a[i] = b[i] + 3.0f * c[i];
    return omp_get_wtime() - begin;
}

int main(int count, char **argument)
{
    long n = count == 2 ? atol(argument[1]) : 0;
    size_t size = (n * sizeof(float) + 63) / 64 * 64; /* whole cache lines */
    float *a = n > 0 ? aligned_alloc(64, size) : NULL, *b = a ? aligned_alloc(64, size) : NULL,
          *c = b ? aligned_alloc(64, size) : NULL;
    if (!c) {
        fprintf(stderr, "no memory for three arrays of %ld floats\n", n);
        return 1;
    }
#pragma omp parallel for schedule(static) /* so that each thread's part lies in memory near it */
    for (long i = 0; i < n; i++) {
        a[i] = -1;
        b[i] = i % 1000;
        c[i] = i % 77;
    }
    pass(a, b, c, n);
    for (long i = 0; i < n; i++)
        if (a[i] != i % 1000 + 3 * (i % 77)) {
            fprintf(stderr, "element %ld is %g\n", i, a[i]);
            return 1;
        }
    puts("ready");
    fflush(stdout);
    for (int letter; (letter = getchar()) != EOF;)
        if (letter == '\n') {
            double best = pass(a, b, c, n);
            for (int again = 0; again < 2; again++) {
                double seconds = pass(a, b, c, n);
                best = seconds < best ? seconds : best;
            }
            printf("%.9f\n", best);
            fflush(stdout);
        }
    return 0;
}
