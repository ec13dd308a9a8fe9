// The recurrences of minGRU and minLSTM and their gradients, for scan.py, which compiles this file on its first use.
//
// All arrays are (time, columns), a column being one channel of one sequence; `start`, of `columns`, is h before the first
// step. A call does the columns from `first` up to `last`, so that several threads share an array. Each pass reads and
// writes every element once: activations are computed where they are used, and again for the gradients, never stored.
// A function called `..._row` does one step of time; its arguments do not overlap.

#include <math.h>

#define READ const float *restrict
#define WRITE float *restrict

// No exponent is above 0: the compiler is told that there are no infinities, so that none may arise.
static inline float sigmoid(float x) {
    float e = expf(-fabsf(x));
    return (x >= 0 ? 1.0f : e) / (1.0f + e);
}

// i / (f + i), f = sigmoid(forget), i = sigmoid(input), with 1 / f and 1 / i scaled so that the largest term is 1.
static inline float share_of(float forget, float input) {
    float least = fminf(0.0f, fminf(forget, input));
    float one = expf(least), by_f = one + expf(least - forget), by_i = one + expf(least - input);
    return by_f / (by_f + by_i);
}

// g of the paper's appendix B, or the identity.
static inline float activated(float x, int log_space) {
    float s = sigmoid(x), positive = x + 0.5f;
    return log_space ? (x >= 0 ? positive : s) : x;
}

static inline float slope(float x, int log_space) {
    float s = sigmoid(x);
    return !log_space || x >= 0 ? 1.0f : s * (1.0f - s);
}

static void min_gru_row(READ gate, READ candidate, READ before, WRITE hidden, int log_space, long first, long last) {
    for (long i = first; i < last; i++)
        hidden[i] = before[i] + sigmoid(gate[i]) * (activated(candidate[i], log_space) - before[i]);
}

static void min_gru_gradient_row(
    READ gate, READ candidate, READ before, READ gradient, WRITE by_gate, WRITE by_candidate, WRITE carry, int log_space, long first, long last
) {
    for (long i = first; i < last; i++) {
        float z = sigmoid(gate[i]), c = candidate[i], total = gradient[i] + carry[i];
        by_gate[i] = total * (activated(c, log_space) - before[i]) * z * (1.0f - z);
        by_candidate[i] = total * z * slope(c, log_space);
        carry[i] = total * (1.0f - z);
    }
}

static void min_lstm_row(
    READ forget, READ input, READ candidate, READ before, WRITE hidden, int log_space, long first, long last
) {
    for (long i = first; i < last; i++) {
        hidden[i] = before[i] + share_of(forget[i], input[i]) * (activated(candidate[i], log_space) - before[i]);
    }
}

static void min_lstm_gradient_row(
    READ forget, READ input, READ candidate, READ before, READ gradient, WRITE by_forget, WRITE by_input, WRITE by_candidate,
    WRITE carry, int log_space, long first, long last
) {
    for (long i = first; i < last; i++) {
        float share = share_of(forget[i], input[i]), c = candidate[i], total = gradient[i] + carry[i];
        // d(share)/d(input) = share (1 - share) (1 - i), d(share)/d(forget) = -share (1 - share) (1 - f).
        float by_share = total * (activated(c, log_space) - before[i]) * share * (1.0f - share);
        by_input[i] = by_share * sigmoid(-input[i]);
        by_forget[i] = -by_share * sigmoid(-forget[i]);
        by_candidate[i] = total * share * slope(c, log_space);
        carry[i] = total * (1.0f - share);
    }
}

// h_t = h_{t-1} + z_t (g(c_t) - h_{t-1}), z = sigmoid(gate).
void min_gru(
    const float *gate, const float *candidate, const float *start, float *hidden, int log_space, long time, long columns, long first, long last
) {
    for (long t = 0; t < time; t++) {
        long at = t * columns;
        min_gru_row(gate + at, candidate + at, t ? hidden + at - columns : start, hidden + at, log_space, first, last);
    }
}

// Gradients by gate and candidate; `carry`, of `columns` zeros, is scratch.
void min_gru_gradient(
    const float *gate, const float *candidate, const float *start, const float *hidden, const float *gradient, float *by_gate,
    float *by_candidate, float *carry, int log_space, long time, long columns, long first, long last
) {
    for (long t = time; t-- > 0;) {
        long at = t * columns;
        min_gru_gradient_row(
            gate + at, candidate + at, t ? hidden + at - columns : start, gradient + at, by_gate + at, by_candidate + at, carry,
            log_space, first, last);
    }
}

// h_t = f' h_{t-1} + i' g(c_t), with f' = f / (f + i), i' = i / (f + i), f = sigmoid(forget), i = sigmoid(input).
void min_lstm(
    const float *forget, const float *input, const float *candidate, const float *start, float *hidden, int log_space, long time,
    long columns, long first, long last
) {
    for (long t = 0; t < time; t++) {
        long at = t * columns;
        min_lstm_row(
            forget + at, input + at, candidate + at, t ? hidden + at - columns : start, hidden + at, log_space, first, last);
    }
}

void min_lstm_gradient(
    const float *forget, const float *input, const float *candidate, const float *start, const float *hidden, const float *gradient,
    float *by_forget, float *by_input, float *by_candidate, float *carry, int log_space, long time, long columns, long first, long last
) {
    for (long t = time; t-- > 0;) {
        long at = t * columns;
        min_lstm_gradient_row(
            forget + at, input + at, candidate + at, t ? hidden + at - columns : start, gradient + at, by_forget + at,
            by_input + at, by_candidate + at, carry, log_space, first, last);
    }
}
