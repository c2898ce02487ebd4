/* Logistic regression: mean cross-entropy and its gradient in one pass over the rows of x (n,d), d at most 64.
 * With slope NULL only the loss is computed.
 */

#include <math.h>
#include <stddef.h>

double logistic_regression(long n, int d, const double *restrict x, const double *restrict y, const double *restrict w,
                           double b, double *restrict slope, double *restrict d_b) {
    double sum[64] = {0}, loss = 0.0, rest = 0.0;
    for (long i = 0; i < n; i++) {
        const double *restrict row = x + i * d;
        double lanes[4] = {0}, z = b;
        int c = 0;
        for (; c + 4 <= d; c += 4)
            for (int l = 0; l < 4; l++) lanes[l] += row[c + l] * w[c + l];
        for (; c < d; c++) z += row[c] * w[c];
        z += (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
        const double small = exp(-fabs(z));
        loss += fmax(z, 0.0) + log1p(small) - y[i] * z;
        if (slope == NULL) continue;
        const double residual = (z >= 0.0 ? 1.0 : small) / (1.0 + small) - y[i];
        rest += residual;
        for (c = 0; c < d; c++) sum[c] += residual * row[c];
    }
    if (slope != NULL) {
        for (int c = 0; c < d; c++) slope[c] = sum[c] / n;
        *d_b = rest / n;
    }
    return loss / n;
}
