/* ADBench's Gaussian mixture objective and its gradient, derived by hand, in one pass over the rows of x.
 *
 * x (n,d), alpha (k,), mean (k,d), q (k,d): logarithms of the diagonals, t (k,d,d): what stands below them.
 * The gradients have the shapes of their variables; what stands on and above the diagonal of t has gradient 0.
 * `work` holds k*(3*d + 2) numbers. With gradient 0 only the objective is computed.
 */

#include <math.h>
#include <string.h>

static double logsumexp(const double *values, int n) {
    double largest = values[0], sum = 0.0;
    for (int i = 1; i < n; i++) largest = fmax(largest, values[i]);
    for (int i = 0; i < n; i++) sum += exp(values[i] - largest);
    return largest + log(sum);
}

double gaussian_mixture(int n, int d, int k, const double *restrict x, const double *restrict alpha,
                        const double *restrict mean, const double *restrict q, const double *restrict t, double gamma,
                        double m, double constant, int gradient, double *restrict d_alpha, double *restrict d_mean,
                        double *restrict d_q, double *restrict d_t, double *restrict work) {
    double *restrict e = work;                  /* (k,d) exp(q) */
    double *restrict base = e + k * d;          /* (k,) alpha + sum of q */
    double *restrict s = base + k;              /* (k,) exponents, then weights */
    double *restrict diff = s + k;              /* (k,d) x - mean */
    double *restrict v = diff + k * d;          /* (k,d) L (x - mean) */
    double total = 0.0, squares = 0.0, sum_q = 0.0;

    for (int j = 0; j < k; j++) {
        double own = 0.0;
        for (int a = 0; a < d; a++) {
            e[j * d + a] = exp(q[j * d + a]);
            own += q[j * d + a];
            squares += e[j * d + a] * e[j * d + a];
            for (int b = 0; b < a; b++) squares += t[(j * d + a) * d + b] * t[(j * d + a) * d + b];
        }
        base[j] = alpha[j] + own;
        sum_q += own;
    }
    if (gradient) {
        memset(d_alpha, 0, k * sizeof *d_alpha);
        memset(d_mean, 0, k * d * sizeof *d_mean);
        memset(d_q, 0, k * d * sizeof *d_q);
        memset(d_t, 0, k * d * d * sizeof *d_t);
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < k; j++) {
            double *restrict dj = diff + j * d, *restrict vj = v + j * d;
            double norm = 0.0;
            for (int a = 0; a < d; a++) dj[a] = x[i * d + a] - mean[j * d + a];
            for (int a = 0; a < d; a++) {
                const double *restrict row = t + (j * d + a) * d;
                double entry = e[j * d + a] * dj[a];
                for (int b = 0; b < a; b++) entry += row[b] * dj[b];
                vj[a] = entry;
                norm += entry * entry;
            }
            s[j] = base[j] - 0.5 * norm;
        }
        double largest = s[0], sum = 0.0;
        for (int j = 1; j < k; j++) largest = fmax(largest, s[j]);
        for (int j = 0; j < k; j++) sum += s[j] = exp(s[j] - largest);
        total += largest + log(sum);
        if (!gradient) continue;
        for (int j = 0; j < k; j++) {
            const double weight = s[j] / sum;
            const double *restrict dj = diff + j * d, *restrict vj = v + j * d;
            double *restrict dm = d_mean + j * d;
            d_alpha[j] += weight;
            for (int a = 0; a < d; a++) {
                const double *restrict row = t + (j * d + a) * d;
                double *restrict dt = d_t + (j * d + a) * d;
                const double pulled = weight * vj[a];
                d_q[j * d + a] -= pulled * dj[a];
                dm[a] += pulled * e[j * d + a];
                for (int b = 0; b < a; b++) {
                    dt[b] -= pulled * dj[b];
                    dm[b] += pulled * row[b];
                }
            }
        }
    }
    const double all = logsumexp(alpha, k);
    if (gradient)
        for (int j = 0; j < k; j++) {
            for (int a = 0; a < d; a++) {
                double *restrict entry = d_q + j * d + a;
                const double diagonal = e[j * d + a];
                *entry = diagonal * (*entry + gamma * gamma * diagonal) + d_alpha[j] - m;
                for (int b = 0; b < a; b++) d_t[(j * d + a) * d + b] += gamma * gamma * t[(j * d + a) * d + b];
            }
            d_alpha[j] -= n * exp(alpha[j] - all);
        }
    return total - n * all - 0.5 * n * d * log(2.0 * M_PI) + 0.5 * gamma * gamma * squares - m * sum_q - k * constant;
}
