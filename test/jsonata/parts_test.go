package jsonata_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestPartsAgreeWithReference asks about what expressions by the grammar hold little of: regular expressions and pictures.
// It runs for JSONATA_FUZZ from seed JSONATA_SEED on, by default for one batch.
func TestPartsAgreeWithReference(t *testing.T) {
	for name, ask := range map[string]func(g *generator) question{
		"regular expressions":    (*generator).regexQuestion,
		"pictures of numbers":    (*generator).numberQuestion,
		"pictures of integers":   (*generator).integerQuestion,
		"pictures of timestamps": (*generator).timeQuestion,
	} {
		t.Run(name, func(t *testing.T) {
			budget, _ := time.ParseDuration(os.Getenv("JSONATA_FUZZ"))
			seed, err := strconv.ParseUint(os.Getenv("JSONATA_SEED"), 10, 64)
			if err != nil {
				seed = 1
			}
			o := startOracle(t)
			count := map[string]int{}
			for end, first := time.Now().Add(budget), true; first || time.Now().Before(end); first = false {
				questions := make([]question, 250)
				for i := range questions {
					questions[i] = ask(newGenerator(seed))
					seed++
				}
				for i, want := range o.ask(t, questions) {
					got, outcome := ours(t, questions[i]), "agreed"
					if differs(want, got) != "" {
						outcome = onPurpose(questions[i], want, got)
					}
					if outcome == "" {
						outcome = "unexplained"
						if count[outcome] < 30 {
							t.Errorf("%s ### %s\nwant %s\ngot  %s", questions[i].Expr, questions[i].Input, want, got)
						}
					}
					count[outcome]++
				}
			}
			t.Logf("next seed %d, by outcome: %v", seed, count)
		})
	}
}

// regex is a pattern, of which few make sense.
func (g *generator) regex(depth int) string {
	if depth <= 0 {
		return g.pick("a", "b", "c", "é", "😀", ".", `\d`, `\w`, `\s`, `\D`, `\W`, `\S`, `\b`, `\B`, "^", "$", `\n`, `\t`, `\x61`, `\u00e9`, `\1`, `\2`, `\0`, `\141`,
			`\cA`, `\.`, `\/`, `\-`, "-", "[ab]", "[^a]", `[\d-]`, `[a-c]`, `[^\s]`, `[\w.]`, `[é-ü]`, `[\]a]`, `[\b]`, "[]", "[^]", "K", "ſ", "k", "S", "s", "ß",
			"{", "}", "]", "x{", "1", "A", "B")
	}
	switch g.IntN(10) {
	case 0, 1, 2:
		return g.regex(depth-1) + g.regex(depth-1)
	case 3:
		return "(" + g.regex(depth-1) + ")"
	case 4:
		return "(?:" + g.regex(depth-1) + ")"
	case 5:
		return g.regex(depth-1) + "|" + g.regex(depth-1)
	case 6, 7:
		return g.pick("(?:", "(") + g.regex(depth-1) + ")" + g.pick("*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,}", "{,2}", "{1,3}?", "{0}")
	case 8:
		return g.pick("(?=", "(?!", "(?<=", "(?<!", "(?<n>") + g.regex(depth-1) + ")"
	}
	return g.regex(0) + g.pick("*", "+", "?", "*?", "+?", "{2}", "{1,2}", "{0,1}")
}

func (g *generator) regexQuestion() question {
	re := "/" + g.regex(1+g.IntN(4)) + "/" + g.pick("", "", "i", "m", "im")
	in, _ := json.Marshal(g.several(9, "a", "b", "c", "ab", "é", "É", "😀", "1", " ", "\n", "-", "aab", "A", "B", "_", "K", "ſ", "s", "ß", ".", "x", "{", "k", "\u2028"))
	return question{Expr: fmt.Sprintf(g.pick("$match($, %s)", "$match($, %s)", "$split($, %s)", "$replace($, %s, '<$1$0$2$$>')", "$contains($, %s)"), re), Input: in}
}

// several joins fewer than most of the parts, picked at random.
func (g *generator) several(most int, parts ...string) string {
	var b strings.Builder
	for range g.IntN(most) {
		b.WriteString(g.pick(parts...))
	}
	return b.String()
}

// aNumber is one of any size.
func (g *generator) aNumber() string {
	return g.pick("", "-") + g.pick(g.pick("0", "1", "5", "9", "10", "12", "99", "100", "999", "1234", "10000", "123456789", "1e15", "1e21", "1e37"),
		fmt.Sprint(g.IntN(5000)), fmt.Sprintf("%d.%d", g.IntN(2000), g.IntN(1000)), fmt.Sprintf("0.%04d", g.IntN(10000)), fmt.Sprintf("%de-%d", g.IntN(100), g.IntN(9)))
}

func (g *generator) numberQuestion() question {
	pic := g.several(9, "0", "0", "#", "#", ".", ",", "e", "%", "‰", ";", "-", "x", " ", "9", "٠", "(")
	options := g.pick("", "", "", ", "+g.arg('q', 1))
	return question{Expr: fmt.Sprintf("$formatNumber(%s, %q%s)", g.aNumber(), pic, options)}
}

func (g *generator) integerPicture() string {
	pic := g.pick("1", "0", "w", "W", "Ww", "i", "I", "a", "A", "#", g.several(7, "0", "#", "1", ",", ".", " ", "-", "٠", "é", "😀"))
	return pic + g.pick("", "", ";o", ";c", ";", ";o(-en)", "o")
}

func (g *generator) integerQuestion() question {
	pic := g.integerPicture()
	if g.one(2) {
		return question{Expr: fmt.Sprintf("$formatInteger(%s, %q)", g.aNumber(), pic)}
	}
	text := g.pick(g.several(6, "1", "2", "0", ",", "st", "nd", "th", "-", "٣", " "), g.several(6, "one", "twenty", "-", " ", "hundred", "and", ", ", "thousand", "million", "first", "sixth", "ty"),
		g.several(6, "m", "c", "d", "x", "l", "i", "v"), g.several(4, "A", "B", "Z", "Q"), g.several(4, "a", "b", "z"))
	if g.one(2) { // what would have been written
		return question{Expr: fmt.Sprintf("$parseInteger($formatInteger(%s, %q), %q)", g.aNumber(), pic, pic)}
	}
	return question{Expr: fmt.Sprintf("$parseInteger(%q, %q)", text, pic)}
}

func (g *generator) marker() string {
	return "[" + g.pick("Y", "M", "D", "d", "F", "W", "w", "X", "x", "H", "h", "P", "m", "s", "f", "Z", "z", "C", "E", "q") +
		g.pick("", "", "", "0", "1", "01", "001", "0001", "n", "N", "Nn", "I", "i", "a", "A", "w", "W", "Ww", "1o", "Dwo", "0,0", "01:01", "0101", "00:00t", "#1", "*") +
		g.pick("", "", "", "", ",2", ",2-2", ",*-3", ",3-3", ",1-4", ",-2") + "]"
}

func (g *generator) timeQuestion() question {
	var pic strings.Builder
	if g.one(2) {
		pic.WriteString(g.pick("[Y0001]-[M01]-[D01]", "[Y]-[M]-[D] [H]:[m]", "[D1o] [MNn] [Y]", "[X0001]-W[W01]-[F1]", "[FNn], [D] [MNn,3-3] [Y,2]", "[Y]-[d001]", "[h]:[m01] [P]", "[Yw] [Mw] [Dwo]"))
	}
	for range g.IntN(4) {
		pic.WriteString(g.marker() + g.pick("", "-", ":", " ", "[[", "]]", "T", ".", "é"))
	}
	millis := g.pick("0", "1521801216617", "-1", "951782400000", "1e15", "8.64e15", "-62135596800000", "-6.2e13", "1483228799999", fmt.Sprint(g.Int64N(4e12)), fmt.Sprint(-g.Int64N(6e13)))
	zone := g.pick("", "", ", '+0100'", ", '-0530'", ", '0000'", ", '+1400'", ", 'x'")
	format := fmt.Sprintf("$fromMillis(%s, %q%s)", millis, pic.String(), zone)
	switch g.IntN(3) {
	case 0:
		return question{Expr: format}
	case 1: // nothing is taken from the clock where the year is there
		return question{Expr: fmt.Sprintf("$toMillis($fromMillis(%s, %q), %q)", millis, "[Y]-"+pic.String(), "[Y]-"+pic.String())}
	}
	return question{Expr: fmt.Sprintf("$toMillis(%q)", g.pick("2018", "2018-03", "2018-03-23", "2018-03-23T10:33:36", "2018-03-23T10:33:36.617", "2018-03-23T10:33:36Z", "2018-03-23T10:33:36+01:00",
		"2018-03-23T10:33:36.6173-0530", "2018-3", "2018-13-01", "2018-02-30", "0000-01-01", "2018-03-23T24:00:00", "2018-03-23T24:00:01", "2018Z", "2018-03-23Z", "2018-03-23T10:33", "9999-12-31T23:59:59.999Z",
		"2018-03-23T10:33:36.6Z", "2018-03-03-04", "2018T10:33:36", "2018.5", "20180323"))}
}
