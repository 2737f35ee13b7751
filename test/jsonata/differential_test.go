package jsonata_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/jsonata"
)

// ours evaluates a question with package jsonata, in the oracle's terms: on the whole input, and again from JSON to JSON,
// which builds only what the expression reaches and has to come to the same.
func ours(t testing.TB, q question) answer {
	t.Helper()
	e, err := jsonata.Compile(q.Expr)
	if err != nil {
		return outcome(nil, err)
	}
	got := inTime(func(ctx context.Context) (out []byte, err error) {
		var v jsonata.Value
		if q.Input != nil {
			if v, err = jsonata.ParseJSON(q.Input); err != nil {
				t.Fatal(err)
			}
		}
		if v, err = e.EvalValue(ctx, v); err != nil {
			return nil, err
		}
		return jsonata.AppendJSON(nil, v)
	})
	if q.Input == nil || changing.MatchString(q.Expr) || atLimit(got) {
		return got
	}
	direct := inTime(func(ctx context.Context) ([]byte, error) { return e.EvalJSON(ctx, q.Input) })
	if !atLimit(direct) && differs(got, direct) != "" {
		t.Errorf("%s ### %s\nEvalValue gives %s\nEvalJSON gives  %s", q.Expr, q.Input, got, direct)
	}
	return got
}

// inTime is the outcome of eval, which has two seconds.
func inTime(eval func(context.Context) ([]byte, error)) answer {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return outcome(eval(ctx))
}

// atLimit says whether an evaluation ended at a limit of depth, time or size.
func atLimit(a answer) bool { return strings.HasPrefix(a.Code, "U100") }

func outcome(out []byte, err error) answer {
	var fault *jsonata.Error
	switch {
	case errors.As(err, &fault):
		return answer{Code: fault.Code, Token: withoutSurrogates(fault.Token), Position: fault.Position}
	case err != nil:
		return answer{Crash: err.Error()}
	case out == nil:
		return answer{Undefined: true}
	}
	return answer{Result: out}
}

// withoutSurrogates replaces lone surrogates, as Go's JSON parser does in the oracle's answers.
func withoutSurrogates(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if i+2 < len(s) && s[i] == 0xED && s[i+1] >= 0xA0 {
			b.WriteRune('\uFFFD')
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// differs tells in what two answers differ: "result", "code", "place" or "".
func differs(want, got answer) string {
	switch {
	case want.Code != got.Code || want.Crash != "":
		return "code"
	case want.Undefined != got.Undefined || string(want.Result) != string(got.Result):
		return "result"
	case want.Token != got.Token || want.Position != got.Position:
		return "place"
	}
	return ""
}

// changing are the functions whose results never repeat.
var changing = regexp.MustCompile(`\$(random|shuffle|now|millis)\b`)

// onPurpose names the reason for which Leat's answer may differ from that of the reference, "" if there is none. The
// reference's faults that can be mended aren't here: a mended reference has to agree (oracle/faults.js). The numbers are
// those of docs/design/0005-jsonata.md.
func onPurpose(q question, want, got answer) string {
	kind := differs(want, got)
	switch {
	case want.Crash == "no answer" || want.Code == "D1011" || want.Code == "D1012":
		return "limits of the oracle"
	case got.Code == "U1003" && (len(want.Result) > 10_000 || padded.MatchString(q.Expr)): // the shortest of these limits is that of pictures
		return "beyond a limit of size"
	case want.Code == "T2006" && strings.Contains(q.Expr, "$spread("):
		return "6: the inside of a function"
	case strings.HasPrefix(want.Crash, "TypeError: ") || strings.HasPrefix(want.Crash, "RangeError: "),
		strings.HasPrefix(want.Crash, "SyntaxError: Invalid regular expression") && strings.HasPrefix(got.Code, "S"),
		strings.HasPrefix(want.Crash, "SyntaxError: Invalid regular expression: /") && signed.MatchString(q.Expr),
		strings.HasPrefix(want.Crash, "SyntaxError: Invalid regular expression: /^(") && strings.Contains(q.Expr, "$toMillis("): // made of the picture
		return "5: a JavaScript exception"
	case changing.MatchString(q.Expr):
		return "changing"
	case kind == "result" && integerKey.MatchString(string(want.Result)+string(q.Input)+q.Expr) && shuffled(want.Result, got.Result),
		integerKey.Match(q.Input) && differs(want, jsOrder(q)) == "":
		return "1: order of keys"
	case kind == "result" && inside.Match(want.Result):
		return "6: the inside of a function"
	case kind == "result" && powers.MatchString(q.Expr) && same(rounded(want.Result), rounded(got.Result), 1e-12):
		return "4: the last digit of powers"
	case partial.MatchString(q.Expr):
		return "3: partial application"
	case kind != "place" && looseDate.MatchString(q.Expr):
		return "7: dates that only JavaScript reads"
	case kind == "result" && wide.MatchString(q.Expr):
		return "9: widths above ten thousand"
	case kind == "result" && zonePattern.MatchString(q.Expr):
		return "8: a time zone's separator as part of a regular expression"
	case kind == "result" && bytes.Contains(want.Result, []byte("function")) && !bytes.Contains(got.Result, []byte("function")):
		return "6: the source of a function"
	}
	return ""
}

var (
	looseDate   = regexp.MustCompile(`\$toMillis\(["'][0-9]{4}[-.0-9]*Z?["']`)
	inside      = regexp.MustCompile(`"(definition|isParallelCall|timestamp|_jsonata_[a-z]+|procedure)":`)
	signed      = regexp.MustCompile(`(function|λ)\([^)]*\)\s*<`)
	integerKey  = regexp.MustCompile(`["'](0|[1-9][0-9]*)["']`)
	wide        = regexp.MustCompile(`\[[A-Za-z][^\]]*,[^\]]*[0-9]{5}[^\]]*\]`)
	padded      = regexp.MustCompile(`\$pad\(.*[0-9]{5}`)
	zonePattern = regexp.MustCompile(`\[[Zz][^\]]*[][.*+?^$(){}|\\][^\]]*\]`)
	powers      = regexp.MustCompile(`\$(power|parseInteger)\b`)
	partial     = regexp.MustCompile(`\$[a-z][A-Za-z0-9]+\(([^?]*,)?\s*\?\s*[,)]`)
)

// long are numbers of so many digits that the last one may differ, also within texts and keys.
var long = regexp.MustCompile(`\d\.\d{11}\d+`)

// rounded cuts the last digits of long numbers.
func rounded(text []byte) []byte {
	return long.ReplaceAllFunc(text, func(n []byte) []byte {
		f, err := strconv.ParseFloat(string(n), 64)
		if err != nil {
			return n
		}
		return strconv.AppendFloat(nil, f, 'f', 10, 64)
	})
}

// jsOrder is our answer for the input with its keys in the order of JavaScript.
func jsOrder(q question) answer {
	var keyed func(raw json.RawMessage) any
	keyed = func(raw json.RawMessage) any {
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) == nil && list != nil {
			out := make([]any, len(list))
			for i := range list {
				out[i] = keyed(list[i])
			}
			return out
		}
		v, err := jsonata.ParseJSON(raw)
		if err != nil {
			return nil
		}
		names, _ := jsonata.Compile("$keys($)[]")
		keys, err := names.EvalValue(context.Background(), v)
		if list, ok := keys.Any().([]any); ok && err == nil && raw[0] == '{' {
			var members map[string]json.RawMessage
			_ = json.Unmarshal(raw, &members)
			slices.SortStableFunc(list, func(a, b any) int { return cmp.Compare(keyOrder(a.(string)), keyOrder(b.(string))) })
			o := jsonata.Object{}
			for _, k := range list {
				o = append(o, jsonata.Member{Key: k.(string), Value: keyed(members[k.(string)])})
			}
			return o
		}
		return v
	}
	in, err := jsonata.ValueOf(keyed(q.Input))
	if err != nil {
		return answer{}
	}
	e, err := jsonata.Compile(q.Expr)
	if err != nil {
		return answer{}
	}
	v, err := e.EvalValue(context.Background(), in)
	if err != nil {
		return outcome(nil, err)
	}
	return outcome(jsonata.AppendJSON(nil, v))
}

// keyOrder is where JavaScript puts a key: integers first, by their size, then the others in the order they have.
func keyOrder(key string) uint64 {
	i, err := strconv.ParseUint(key, 10, 32)
	if err != nil || strconv.FormatUint(i, 10) != key {
		return math.MaxUint64
	}
	return i
}

// shuffled tells whether two texts have the same characters, in any order.
func shuffled(a, b []byte) bool {
	x, y := slices.Clone(a), slices.Clone(b)
	slices.Sort(x)
	slices.Sort(y)
	return bytes.Equal(x, y)
}

// same compares JSON without regard to the order of keys; numbers may differ by a fraction of their size.
func same(a, b []byte, fraction float64) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && sameValue(x, y, fraction)
}

func sameValue(x, y any, fraction float64) bool {
	switch x := x.(type) {
	case string: // a number perhaps, when numbers may differ
		y, ok := y.(string)
		f, err := strconv.ParseFloat(x, 64)
		g, other := strconv.ParseFloat(y, 64)
		return ok && (x == y || fraction > 0 && err == nil && other == nil && math.Abs(f-g) <= fraction*math.Abs(f))
	case float64:
		y, ok := y.(float64)
		return ok && math.Abs(x-y) <= fraction*math.Abs(x)
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameValue(x[i], y[i], fraction) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if v, ok := y[k]; !ok || !sameValue(x[k], v, fraction) {
				return false
			}
		}
		return true
	}
	return x == y
}

// TestAgreesWithReference runs for JSONATA_FUZZ (a duration), from seed JSONATA_SEED on. By default it is short and always
// the same: the seeds that found something once, and some more.
func TestAgreesWithReference(t *testing.T) {
	budget, err := time.ParseDuration(os.Getenv("JSONATA_FUZZ"))
	if err != nil {
		budget = 3 * time.Second
	}
	seed, err := strconv.ParseUint(os.Getenv("JSONATA_SEED"), 10, 64)
	if err != nil {
		seed = 1
	}
	d := &differential{T: t, oracle: startOracle(t), corpus: readCorpus(t), faults: faults(t), count: map[string]int{}}
	d.batch(seeds(t))
	t.Logf("first seed %d", seed)
	for end := time.Now().Add(budget); time.Now().Before(end); {
		list := make([]uint64, 500)
		for i := range list {
			list[i] = seed + uint64(i)
		}
		d.batch(list)
		seed += uint64(len(list))
	}
	t.Logf("next seed %d, by outcome: %v", seed, d.count)
}

type differential struct {
	*testing.T
	oracle *oracle
	corpus *corpus
	faults []string
	count  map[string]int
}

// seeds lists those of testdata/seeds.txt.
func seeds(t *testing.T) []uint64 {
	var list []uint64
	for _, word := range strings.Fields(string(read(t, "seeds.txt"))) {
		seed, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, seed)
	}
	return list
}

// faults lists the faults of the reference that the oracle can mend.
func faults(t *testing.T) []string {
	cmd := exec.CommandContext(t.Context(), "node", "oracle.js", "faults")
	cmd.Dir = "oracle"
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := json.Unmarshal(out, &names); err != nil {
		t.Fatal(err)
	}
	return names
}

// question makes the question of a seed: three of four take from the reference's suite.
func (d *differential) question(seed uint64) question {
	g := newGenerator(seed)
	switch seed % 4 {
	case 1, 3:
		return d.corpus.mutant(g)
	case 2:
		return d.corpus.fresh(g)
	}
	return question{Expr: g.expr(1 + g.IntN(4)), Input: []byte(g.input(3))}
}

// batch compares the answers to the questions of some seeds.
func (d *differential) batch(list []uint64) {
	questions := make([]question, len(list))
	for i, seed := range list {
		questions[i] = d.question(seed)
	}
	type open struct {
		seed      uint64
		want, got answer
	}
	var differing []open
	var again []question
	for i, want := range d.oracle.ask(d.T, questions) {
		d.count["asked"]++
		got := ours(d.T, questions[i])
		if differs(want, got) == "" {
			d.count["agreed"]++
			continue
		}
		differing = append(differing, open{list[i], want, got})
		q := questions[i]
		q.Mend = d.faults
		again = append(again, q)
	}
	for i, want := range d.oracle.ask(d.T, again) {
		o, q := differing[i], again[i]
		reason := "agreed, with the reference's faults mended"
		if differs(want, o.got) != "" {
			reason = onPurpose(q, want, o.got)
		}
		if reason == "" && d.agreesWithoutIntegers(q) {
			reason = "1: order of keys"
		}
		if reason == "" {
			reason = "unexplained"
			if d.count[reason] < 50 {
				d.Errorf("seed %d, %s differs:\n%s ### %s\nwant   %s\nmended %s\ngot    %s", o.seed, differs(want, o.got), q.Expr, q.Input, o.want, want, o.got)
			}
		}
		d.count[reason]++
	}
}

// integers are the whole numbers of a document, and texts that look like one: as keys, JavaScript puts them in order and before all others.
var integers = regexp.MustCompile(`([\[{:,]\s*"?)(0|[1-9][0-9]*)("?\s*[]},:])`)

// agreesWithoutIntegers asks q again with other numbers in place of the input's integers.
func (d *differential) agreesWithoutIntegers(q question) bool {
	other := q
	for range 2 { // neighbours share what stands between them
		other.Input = integers.ReplaceAll(other.Input, []byte("$1$2.5$3"))
	}
	return !bytes.Equal(other.Input, q.Input) && differs(d.oracle.ask(d.T, []question{other})[0], ours(d.T, other)) == ""
}

func (a answer) String() string {
	switch {
	case a.Code != "":
		return fmt.Sprintf("%s token %q position %d", a.Code, a.Token, a.Position)
	case a.Undefined:
		return "undefined"
	}
	text := string(a.Result) + a.Crash
	if len(text) > longestShown {
		text = fmt.Sprintf("%.*s... (%d bytes)", longestShown, text, len(text))
	}
	return text
}

// longestShown is how much of an answer is shown, in characters.
const longestShown = 2000
