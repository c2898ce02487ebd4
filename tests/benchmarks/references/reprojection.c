/* ADBench's bundle adjustment: n weighted reprojection errors and their 2 x 15 Jacobians, derived by hand.
 *
 * camera (n,11): rotation vector, centre, focal length, principal point, two radial distortions; point (n,3),
 * weight (n,), measured (n,2). error (n,2), jacobian (n,2,15): by the camera, the point, the weight.
 * With jacobian NULL only the errors are computed.
 */

#include <math.h>
#include <stddef.h>

void reprojection(long n, const double *restrict camera, const double *restrict point, const double *restrict weight,
                  const double *restrict measured, double *restrict error, double *restrict jacobian) {
    for (long i = 0; i < n; i++) {
        const double *restrict r = camera + 11 * i, *restrict centre = r + 3, *restrict p = point + 3 * i;
        const double f = r[6], k1 = r[9], k2 = r[10], w = weight[i];
        const double d[3] = {p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]};

        /* y = c d + a (r x d) + b r (r.d), with a and b even functions of the angle */
        const double s = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
        double a = 1.0, b = 0.5, c = 1.0, da = 0.0, db = 0.0;   /* da, db: derivatives by s, times 2 */
        if (s > 0.0) {
            const double angle = sqrt(s), inverse = 1.0 / s;
            c = cos(angle);
            a = sin(angle) / angle;
            b = (1.0 - c) * inverse;
            da = (c - a) * inverse;
            db = (a - 2.0 * b) * inverse;
        }
        const double x[3] = {r[1] * d[2] - r[2] * d[1], r[2] * d[0] - r[0] * d[2], r[0] * d[1] - r[1] * d[0]};
        const double dot = r[0] * d[0] + r[1] * d[1] + r[2] * d[2];
        double y[3];
        for (int l = 0; l < 3; l++) y[l] = c * d[l] + a * x[l] + b * dot * r[l];

        const double z = 1.0 / y[2], u = y[0] * z, v = y[1] * z, rr = u * u + v * v;
        const double lens = 1.0 + rr * (k1 + k2 * rr), e0 = f * lens * u + r[7] - measured[2 * i];
        const double e1 = f * lens * v + r[8] - measured[2 * i + 1];
        error[2 * i] = w * e0;
        error[2 * i + 1] = w * e1;
        if (jacobian == NULL) continue;

        /* g: the error by y */
        const double wf = w * f, bend = 2.0 * wf * (k1 + 2.0 * k2 * rr), straight = wf * lens;
        const double uu = straight + bend * u * u, uv = bend * u * v, vv = straight + bend * v * v;
        const double g[2][3] = {{uu * z, uv * z, -(uu * u + uv * v) * z}, {uv * z, vv * z, -(uv * u + vv * v) * z}};

        for (int row = 0; row < 2; row++) {
            double *restrict out = jacobian + 30 * i + 15 * row;
            const double *h = g[row];
            const double hd = h[0] * d[0] + h[1] * d[1] + h[2] * d[2], hx = h[0] * x[0] + h[1] * x[1] + h[2] * x[2];
            const double hr = h[0] * r[0] + h[1] * r[1] + h[2] * r[2];
            const double dh[3] = {d[1] * h[2] - d[2] * h[1], d[2] * h[0] - d[0] * h[2], d[0] * h[1] - d[1] * h[0]};
            const double hr_x[3] = {h[1] * r[2] - h[2] * r[1], h[2] * r[0] - h[0] * r[2], h[0] * r[1] - h[1] * r[0]};
            const double along = -a * hd + da * hx + db * dot * hr;
            for (int l = 0; l < 3; l++) {
                const double by_point = c * h[l] + a * hr_x[l] + b * hr * r[l];
                out[l] = along * r[l] + a * dh[l] + b * (dot * h[l] + hr * d[l]);
                out[3 + l] = -by_point;
                out[11 + l] = by_point;
            }
            const double at = row == 0 ? u : v;
            out[6] = w * lens * at;
            out[7] = row == 0 ? w : 0.0;
            out[8] = row == 0 ? 0.0 : w;
            out[9] = wf * rr * at;
            out[10] = wf * rr * rr * at;
            out[14] = row == 0 ? e0 : e1;
        }
    }
}
