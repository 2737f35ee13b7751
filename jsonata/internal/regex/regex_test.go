package regex_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/jsonata/internal/regex"
)

func TestMatchesAsJavaScript(t *testing.T) {
	for name, c := range map[string]struct {
		pattern, flags, in string
		want               []int
	}{
		"a literal":                        {"b+", "", "abbc", []int{1, 3}},
		"alternatives in order":            {"a|ab", "", "ab", []int{0, 1}},
		"groups":                           {"(a)(b)?", "", "ac", []int{0, 1, 0, 1, -1, -1}},
		"captures of a loop start anew":    {"(z)((a+)?(b+)?(c))*", "", "zaacbbbcac", []int{0, 10, 0, 1, 8, 10, 8, 9, -1, -1, 9, 10}},
		"a lazy loop takes what it must":   {"<.*?>", "", "<a><b>", []int{0, 3}},
		"a bounded lazy loop":              {"^a{1,2}?b", "", "aab", []int{0, 3}},
		"a backreference":                  {`(a)\1`, "", "aa", []int{0, 2, 0, 1}},
		"a backreference to nothing":       {`(?:(a)|b)\1`, "", "b", []int{0, 1, -1, -1}},
		"lookahead":                        {`a(?=b)`, "", "acab", []int{2, 3}},
		"negative lookahead":               {`a(?!b)`, "", "abac", []int{2, 3}},
		"lookahead keeps its captures":     {`(?=(a+))a*b\1`, "", "baaabac", []int{3, 6, 3, 4}},
		"lookbehind":                       {`(?<=\$)\d+`, "", "a1 $42", []int{4, 6}},
		"negative lookbehind":              {`(?<!\$)\b\d+`, "", "$42 17", []int{4, 6}},
		"lookbehind captures backwards":    {`(?<=(\d+)(\d+))$`, "", "1053", []int{4, 4, 0, 1, 1, 4}[:6]},
		"an empty loop ends":               {`(a*)*`, "", "b", []int{0, 0, -1, -1}},
		"case is ignored":                  {`[a-c]É`, "i", "Bé", []int{0, 2}},
		"line ends":                        {`^b$`, "m", "a\nb\nc", []int{2, 3}},
		"without m only the ends":          {`^b$`, "", "a\nb\nc", nil},
		"white space is Unicode's":         {`\s`, "", "a\u00a0", []int{1, 2}},
		"digits are ASCII":                 {`\d`, "", "٣", nil},
		"an astral character is two units": {`^..$`, "", "😀", []int{0, 2}},
		"braces that don't count":          {`a{,2}`, "", "a{,2}", []int{0, 5}},
		"octal escape":                     {`\101`, "", "A", []int{0, 1}},
		"a class of classes":               {`[\W\d]+`, "", "ab1-2c", []int{2, 5}},
		"backspace in a class":             {`[\b]`, "", "\b", []int{0, 1}},
		"a named group":                    {`(?<y>\d)\k<y>`, "", "122", []int{1, 3, 1, 2}},
		"an empty class matches nothing":   {`[]`, "", "a", nil},
		"any class matches all":            {`[^]`, "", "\n", []int{0, 1}},
		"nested counts":                    {`^(a{2}){2}$`, "", "aaaa", []int{0, 4, 2, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := regex.Compile(c.pattern, c.flags)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Match(regex.UTF16(units(c.in)), 0, func() error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func units(s string) []uint16 {
	u := make([]uint16, 0, len(s))
	for _, r := range s {
		if r > 0xFFFF {
			r -= 0x10000
			u = append(u, uint16(0xD800+r>>10), uint16(0xDC00+r&0x3FF))
			continue
		}
		u = append(u, uint16(r))
	}
	return u
}

func TestRefusesWhatJavaScriptRefuses(t *testing.T) {
	for _, p := range []string{"(", ")", "*a", "a**", "[b-a]", "a{2,1}", `(?<n>a)(?<n>b)`, `\`, "(?x)", `(?<n>a)\k<m>`, "[a"} {
		if _, err := regex.Compile(p, ""); err == nil {
			t.Errorf("%s: no error", p)
		}
	}
}
