"""The function of the C header; sizes and arrays stand above it, see `recycle.compact`."""

__all__ = ["PROGRAM"]

PROGRAM = r"""
/* The mean of the last members of each kind and slot. */
static void recycle_table(const double *x, const unsigned char *missing,
                          const unsigned char *kind, double *table) {
  double weight[RECYCLE_ROWS * RECYCLE_PERIOD];
  int count[RECYCLE_ROWS * RECYCLE_PERIOD], known = 0;
  double mean = 0.0;
  for (int cell = 0; cell < RECYCLE_ROWS * RECYCLE_PERIOD; cell++) {
    table[cell] = weight[cell] = 0.0;
    count[cell] = 0;
  }
  if (RECYCLE_MEMORY == 0) return;
  for (int t = RECYCLE_WINDOW - 1; t >= 0; t--) {
    int cell = kind[t] * RECYCLE_PERIOD + t % RECYCLE_PERIOD;
    double share;
    if (missing[t]) continue;
    mean += x[t];
    known++;
    if (count[cell] == RECYCLE_MEMORY) continue;
    share = pow(RECYCLE_FADE, count[cell]++);
    table[cell] += share * x[t];
    weight[cell] += share;
  }
  for (int cell = 0; cell < RECYCLE_ROWS * RECYCLE_PERIOD; cell++)
    if (count[cell]) table[cell] /= weight[cell];
  for (int cell = 0; cell < RECYCLE_ROWS * RECYCLE_PERIOD; cell++) {
    int row = cell / RECYCLE_PERIOD, slot = cell % RECYCLE_PERIOD, step = 1;
    if (count[cell]) continue;
    table[cell] = known ? mean / known : 0.0;
    for (; step < RECYCLE_ROWS; step++) { /* the kind before in the list, and so on around */
      int other = (row - step + RECYCLE_ROWS) % RECYCLE_ROWS * RECYCLE_PERIOD + slot;
      if (count[other]) {
        table[cell] = table[other];
        break;
      }
    }
  }
}

static double recycle_own_units(double scaled) {
  double value = scaled * RECYCLE_SPREAD + RECYCLE_CENTRE;
  return RECYCLE_LOGARITHM ? expm1(value) : value;
}

/* Ridge forecasts of all steps; rest is the history less its share of the profile. */
static void recycle_ridge_forecast(const double *rest, double *out) {
#if RECYCLE_RANK
  double level = 0.0, code[RECYCLE_RANK];
  for (int k = 0; k < RECYCLE_RANK; k++) code[k] = 0.0;
  for (int t = 0; t < RECYCLE_RIDGE; t++) {
    level += rest[t] * recycle_level[t];
    for (int k = 0; k < RECYCLE_RANK; k++)
      code[k] += rest[t] * recycle_left[t * RECYCLE_RANK + k];
  }
  for (int s = 0; s < RECYCLE_HORIZON; s++) {
    out[s] = level;
    for (int k = 0; k < RECYCLE_RANK; k++)
      out[s] += code[k] * recycle_right[k * RECYCLE_HORIZON + s];
  }
#elif RECYCLE_RIDGE
  for (int s = 0; s < RECYCLE_HORIZON; s++) out[s] = 0.0;
  for (int t = 0; t < RECYCLE_RIDGE; t++)
    for (int s = 0; s < RECYCLE_HORIZON; s++)
      out[s] += rest[t] * recycle_ridge[t * RECYCLE_HORIZON + s];
#else
  (void)rest;
  for (int s = 0; s < RECYCLE_HORIZON; s++) out[s] = 0.0;
#endif
}

/* Whether a history is unlike all of training, so that the profile is taken. */
static int recycle_strange(const double *x, const unsigned char *missing, const double *point) {
  double mean = 0.0, square = 0.0, gone = 0.0;
  const int first = RECYCLE_WINDOW - RECYCLE_LOOKBACK;
  for (int s = 0; s < RECYCLE_HORIZON; s++)
    if (!isfinite(point[s])) return 1;
  for (int t = first; t < RECYCLE_WINDOW; t++) {
    mean += x[t] / RECYCLE_LOOKBACK;
    gone += (double)missing[t] / RECYCLE_LOOKBACK;
  }
  for (int t = first; t < RECYCLE_WINDOW; t++)
    square += (x[t] - mean) * (x[t] - mean) / RECYCLE_LOOKBACK;
  return RECYCLE_CHECKED &&
         (log(sqrt(square) + 1e-6) > RECYCLE_LARGEST || gone > RECYCLE_MOST_MISSING);
}

/* Forecast RECYCLE_HORIZON steps.
   history: RECYCLE_WINDOW values in the series' own units, NAN where missing.
   kind: RECYCLE_WINDOW + RECYCLE_STEPS kinds of days, one a step: 0 working day, 1 Saturday,
     2 Sunday or holiday, unless the model has another scheme.
   days: as many steps of RECYCLE_KINDS flags of special days each, or 0.
   slot: place of the first step in its cycle.
   forecast, quantiles: RECYCLE_HORIZON, and RECYCLE_LEVELS times as many, values; quantiles may
     be 0. */
static void recycle_forecast(const float *history, const unsigned char *kind,
                             const unsigned char *days, int slot, float *forecast,
                             float *quantiles) {
  double x[RECYCLE_WINDOW], h[RECYCLE_WINDOW], table[RECYCLE_ROWS * RECYCLE_PERIOD];
  double f[RECYCLE_HORIZON], point[RECYCLE_HORIZON], added[RECYCLE_HORIZON], scale = 0.0;
  unsigned char missing[RECYCLE_WINDOW];
  const int length = 7 * RECYCLE_PERIOD < RECYCLE_LOOKBACK ? 7 * RECYCLE_PERIOD : RECYCLE_LOOKBACK;
  for (int t = 0; t < RECYCLE_WINDOW + RECYCLE_HORIZON; t++) {
    double effect = 0.0;
#if RECYCLE_KINDS
    for (int q = 0; q < RECYCLE_KINDS && days; q++)
      if (days[t * RECYCLE_KINDS + q])
        effect += recycle_days[q * RECYCLE_PERIOD + (slot + t) % RECYCLE_PERIOD];
#endif
    if (t >= RECYCLE_WINDOW) {
      added[t - RECYCLE_WINDOW] = effect;
      continue;
    }
    missing[t] = (unsigned char)(history[t] != history[t]);
    x[t] = missing[t] ? 0.0 : history[t];
    if (RECYCLE_LOGARITHM) x[t] = log1p(x[t] > 0.0 ? x[t] : 0.0);
    x[t] = (x[t] - RECYCLE_CENTRE) / RECYCLE_SPREAD - effect;
  }
  (void)days;
  (void)slot;
  recycle_table(x, missing, kind, table);
  for (int t = 0; t < RECYCLE_WINDOW; t++) {
    h[t] = table[kind[t] * RECYCLE_PERIOD + t % RECYCLE_PERIOD];
    if (missing[t]) x[t] = h[t];
    if (t >= RECYCLE_WINDOW - length) scale += fabs(x[t] - h[t]) / length;
  }
  if (scale < 1e-6) scale = 1e-6;
  {
    double rest[RECYCLE_RIDGE + 1];
    for (int t = 0; t < RECYCLE_RIDGE; t++) {
      int where = RECYCLE_WINDOW - RECYCLE_RIDGE + t;
      rest[t] = x[where] - RECYCLE_BETA * h[where];
    }
    recycle_ridge_forecast(rest, point);
  }
  for (int s = 0; s < RECYCLE_HORIZON; s++) {
    f[s] = table[kind[RECYCLE_WINDOW + s] * RECYCLE_PERIOD + s % RECYCLE_PERIOD];
    point[s] = recycle_weights[4 * RECYCLE_HORIZON + s] * (point[s] + RECYCLE_BETA * f[s]) +
               recycle_weights[3 * RECYCLE_HORIZON + s] * f[s] +
               recycle_weights[2 * RECYCLE_HORIZON + s] *
                   x[RECYCLE_WINDOW - RECYCLE_SUPER + s % RECYCLE_SUPER] +
               recycle_weights[RECYCLE_HORIZON + s] *
                   x[RECYCLE_WINDOW - RECYCLE_PERIOD + s % RECYCLE_PERIOD] +
               recycle_weights[s] * x[RECYCLE_WINDOW - 1];
  }
  const int strange = recycle_strange(x, missing, point);
  for (int s = 0; s < RECYCLE_HORIZON; s++) {
    if (strange) point[s] = f[s];
    forecast[s] = (float)recycle_own_units(point[s] + added[s]);
  }
#if RECYCLE_LEVELS
  for (int q = 0; q < RECYCLE_LEVELS && quantiles; q++)
    for (int s = 0; s < RECYCLE_HORIZON; s++) {
      double offset = recycle_offsets[q * RECYCLE_HORIZON + s] * scale;
      quantiles[q * RECYCLE_HORIZON + s] = (float)recycle_own_units(point[s] + offset + added[s]);
    }
#else
  (void)quantiles;
#endif
}
"""
