/* A tanh network with one hidden layer and softmax cross-entropy, float32: loss and four gradients.
 *
 * x (n,d), t (n,), w1 (d,h), b1 (h,), w2 (h,c), b2 (c,). Matrix products are BLAS's: `gemm` is its sgemm, which takes
 * columns first, so that each product is asked for transposed. `work` holds n*(2*h + c) numbers.
 */

#include <math.h>
#include <string.h>

typedef void gemm_t(char *, char *, int *, int *, int *, float *, float *, int *, float *, int *, float *, float *, int *);

static void product(gemm_t *gemm, char left_t, char right_t, int rows, int inner, int columns, const float *left,
                    const float *right, float kept, float *out) {
    float one = 1.0f;
    int right_step = right_t == 'T' ? inner : columns, left_step = left_t == 'T' ? rows : inner;
    gemm(&right_t, &left_t, &columns, &rows, &inner, &one, (float *)right, &right_step, (float *)left, &left_step, &kept,
         out, &columns);
}

float perceptron(gemm_t *gemm, int n, int d, int h, int c, const float *restrict x, const long *restrict t,
                 const float *restrict w1, const float *restrict b1, const float *restrict w2,
                 const float *restrict b2, int gradient, float *restrict d_w1, float *restrict d_b1,
                 float *restrict d_w2, float *restrict d_b2, float *restrict work) {
    float *restrict a = work, *restrict da = a + n * h, *restrict z = da + n * h;
    float loss = 0.0f;

    for (int i = 0; i < n; i++) memcpy(a + i * h, b1, h * sizeof *a);
    product(gemm, 'N', 'N', n, d, h, x, w1, 1.0f, a);
    for (int i = 0; i < n * h; i++) a[i] = tanhf(a[i]);
    for (int i = 0; i < n; i++) memcpy(z + i * c, b2, c * sizeof *z);
    product(gemm, 'N', 'N', n, h, c, a, w2, 1.0f, z);
    if (gradient) memset(d_b2, 0, c * sizeof *d_b2);
    for (int i = 0; i < n; i++) {
        float *restrict row = z + i * c, largest = row[0], sum = 0.0f;
        const float chosen = row[t[i]];
        for (int j = 1; j < c; j++) largest = fmaxf(largest, row[j]);
        for (int j = 0; j < c; j++) sum += row[j] = expf(row[j] - largest);
        loss += largest + logf(sum) - chosen;
        if (!gradient) continue;
        for (int j = 0; j < c; j++) row[j] = (row[j] / sum - (j == t[i])) / n;
        for (int j = 0; j < c; j++) d_b2[j] += row[j];
    }
    if (!gradient) return loss / n;
    product(gemm, 'T', 'N', h, n, c, a, z, 0.0f, d_w2);
    product(gemm, 'N', 'T', n, c, h, z, w2, 0.0f, da);
    memset(d_b1, 0, h * sizeof *d_b1);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < h; j++) {
            da[i * h + j] *= 1.0f - a[i * h + j] * a[i * h + j];
            d_b1[j] += da[i * h + j];
        }
    product(gemm, 'T', 'N', d, n, h, x, da, 0.0f, d_w1);
    return loss / n;
}
