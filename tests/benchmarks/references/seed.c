/* The seed's training loop, y_pred = x*w and l = (y_pred - y)**2, one sample a step, in float32. */

#include <math.h>

float seed(const float *restrict x, const float *restrict y, int samples, int epochs, float rate, float w,
           float *restrict losses) {
    for (int epoch = 0; epoch < epochs; epoch++) {
        float loss = 0.0f;
        for (int i = 0; i < samples; i++) {
            const float difference = x[i] * w - y[i];
            loss = difference * difference;
            w -= rate * (2.0f * difference * x[i]);
        }
        losses[epoch] = loss;
        if (!isfinite(loss)) break;
    }
    return w;
}

/* The same loss and its derivative, averaged over a batch, in float64: eight sums, so that they run side by side. */

double seed_batch(const double *restrict x, const double *restrict y, long n, double w, double *restrict slope) {
    double loss[8] = {0}, sum[8] = {0};
    long i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) {
            const double difference = x[i + k] * w - y[i + k];
            loss[k] += difference * difference;
            sum[k] += difference * x[i + k];
        }
    for (; i < n; i++) {
        const double difference = x[i] * w - y[i];
        loss[0] += difference * difference;
        sum[0] += difference * x[i];
    }
    for (int k = 1; k < 8; k++) loss[0] += loss[k], sum[0] += sum[k];
    *slope = 2.0 * sum[0] / n;
    return loss[0] / n;
}
