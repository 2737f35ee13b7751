package jsonata

import "math"

// pow is x to the power of y, rounded correctly but for rare cases, as the C library's that the reference runs on;
// math.Pow is off by several units in the last place for fractional exponents.
func pow(x, y float64) float64 {
	rough := math.Pow(x, y)
	if !(x > 0) || x == 1 || y == math.Trunc(y) && math.Abs(y) < 4 || !isFinite(y) || !isFinite(rough) || math.Abs(rough) < 1e-290 {
		if x < 0 && y == math.Trunc(y) && isFinite(rough) && rough != 0 {
			if math.Mod(y, 2) != 0 {
				return -pow(-x, y)
			}
			return pow(-x, y)
		}
		return rough
	}
	if y == 0.5 {
		return math.Sqrt(x)
	}
	r := expDouble(logDouble(x).times(double{y, 0}))
	return r.hi + r.lo
}

// double is the unevaluated sum of two floats, with about 106 bits (Dekker 1971).
type double struct{ hi, lo float64 }

func quickSum(a, b float64) double {
	s := a + b
	return double{s, b - (s - a)}
}

func (a double) plus(b double) double {
	s := a.hi + b.hi
	t := s - a.hi
	return quickSum(s, (a.hi-(s-t))+(b.hi-t)+a.lo+b.lo)
}

func (a double) times(b double) double {
	p := a.hi * b.hi
	return quickSum(p, math.FMA(a.hi, b.hi, -p)+a.hi*b.lo+a.lo*b.hi)
}

func (a double) over(f float64) double {
	q := a.hi / f
	return quickSum(q, (math.FMA(-q, f, a.hi)+a.lo)/f)
}

var ln2 = double{0.6931471805599453, 2.3190468138462996e-17}

// expDouble is e to the power of a.
func expDouble(a double) double {
	k := math.Round(a.hi / ln2.hi)
	r := a.plus(ln2.times(double{-k, 0}))
	const halvings = 6
	r = double{math.Ldexp(r.hi, -halvings), math.Ldexp(r.lo, -halvings)}
	sum, term := double{1, 0}.plus(r), r
	for i := 2.0; i < 14; i++ {
		term = term.times(r).over(i)
		sum = sum.plus(term)
	}
	for range halvings {
		sum = sum.times(sum)
	}
	return double{math.Ldexp(sum.hi, int(k)), math.Ldexp(sum.lo, int(k))}
}

// logDouble is the natural logarithm of x, by one step of Newton's method over the mantissa's.
func logDouble(x float64) double {
	m, e := math.Frexp(x)
	guess := math.Log(m)
	inverse := expDouble(double{-guess, 0})
	step := inverse.times(double{m, 0}).plus(double{-1, 0})
	// log(1+step), where step is tiny.
	log := double{guess, 0}.plus(step).plus(step.times(step).times(double{-0.5, 0}))
	return log.plus(ln2.times(double{float64(e), 0}))
}
