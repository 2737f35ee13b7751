package picture

import (
	"math"
	"regexp"
	"strings"
)

var units = strings.Fields("Zero One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen Fifteen Sixteen Seventeen Eighteen Nineteen")

var ordinals = strings.Fields("Zeroth First Second Third Fourth Fifth Sixth Seventh Eighth Ninth Tenth Eleventh Twelfth Thirteenth Fourteenth Fifteenth Sixteenth Seventeenth Eighteenth Nineteenth")

var tens = strings.Fields("Twenty Thirty Forty Fifty Sixty Seventy Eighty Ninety Hundred")

var magnitudes = strings.Fields("Thousand Million Billion Trillion")

// toWords spells v out in English; following words are joined with "and" or a comma.
func toWords(v float64, follows, ordinal bool) string {
	join := func(s string) string {
		if follows {
			return s
		}
		return ""
	}
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return ""
	case v < 20:
		if ordinal {
			return join(" and ") + ordinals[int(v)]
		}
		return join(" and ") + units[int(v)]
	case v < 100:
		s := join(" and ") + tens[int(v)/10-2]
		if rest := int(v) % 10; rest > 0 {
			return s + "-" + toWords(float64(rest), false, ordinal)
		}
		if ordinal {
			return s[:len(s)-1] + "ieth"
		}
		return s
	case v < 1000:
		s := join(", ") + units[int(v)/100] + " Hundred"
		return s + rest(float64(int(v)%100), ordinal)
	}
	mag := min(int(math.Floor(math.Log10(v)/3)), len(magnitudes))
	// The logarithm may round up to the next magnitude.
	for mag > 1 && math.Pow(10, float64(3*mag)) > v {
		mag--
	}
	factor := math.Pow(10, float64(3*mag))
	mantissa := math.Floor(v / factor)
	s := join(", ") + toWords(mantissa, false, false) + " " + magnitudes[mag-1]
	return s + rest(v-mantissa*factor, ordinal)
}

func rest(v float64, ordinal bool) string {
	if v > 0 {
		return toWords(v, true, ordinal)
	}
	if ordinal {
		return "th"
	}
	return ""
}

// word is one of a spelled number.
type word struct {
	text  string
	value float64
}

// numberWords lists them in the order in which the reference tries them.
var numberWords = makeNumberWords()

func makeNumberWords() []word {
	var list []word
	add := func(text string, value float64) { list = append(list, word{strings.ToLower(text), value}) }
	for i, w := range units {
		add(w, float64(i))
	}
	for i, w := range ordinals {
		add(w, float64(i))
	}
	for i, w := range tens {
		add(w, float64((i+2)*10))
		add(w[:len(w)-1]+"ieth", float64((i+2)*10))
	}
	add("hundredth", 100)
	for i, w := range magnitudes {
		add(w, math.Pow(10, float64(3*(i+1))))
		add(w+"th", math.Pow(10, float64(3*(i+1))))
	}
	return list
}

var wordValues = makeWordValues()

func makeWordValues() map[string]float64 {
	m := map[string]float64{}
	for _, w := range numberWords {
		m[w.text] = w.value
	}
	return m
}

// wordPattern is what a number in words matches within a date.
var wordPattern = makeWordPattern()

func makeWordPattern() string {
	var list []string
	for _, w := range numberWords {
		list = append(list, w.text)
	}
	return "(?:" + strings.Join(append(list, "and", `[\-, ]`), "|") + ")+"
}

var wordBreak = regexp.MustCompile(`,\s|\sand\s|[\s\\-]`)

func fromWords(s string) float64 {
	parts := []float64{0}
	for _, word := range wordBreak.Split(s, -1) {
		v, ok := wordValues[word]
		if !ok {
			v = math.NaN()
		}
		last := len(parts) - 1
		switch {
		case v < 100 && parts[last] >= 1000:
			parts = append(parts, v)
		case v < 100:
			parts[last] += v
		default:
			parts[last] *= v
		}
	}
	total := 0.0
	for _, v := range parts {
		total += v
	}
	return total
}
