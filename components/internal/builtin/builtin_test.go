package builtin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/components/internal/builtin"
)

func TestMatchLooksAtTheRepositoryOnly(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0f", 32)
	for image, want := range map[string]bool{
		"elasticio/timer":                               true,
		"elasticio/timer:latest":                        true,
		"elasticio/timer:ca9a6fea39":                    true,
		"elasticio/timer" + digest:                      true,
		"elasticio/timer:1.0" + digest:                  true,
		"docker.io/elasticio/timer":                     true,
		"localhost/elasticio/timer:1":                   true,
		"registry.example.com:5000/elasticio/timer:1":   true,
		"registry:5000/elasticio/timer":                 true,
		"registry.example.com:5000/elasticio/timer":     true,
		"registry.example.com/elasticio/timer" + digest: true,
		"":                                       false,
		"timer":                                  false,
		"timer:latest":                           false,
		"elasticio/timers":                       false,
		"elasticio/timer/x":                      false,
		"acme/timer:1":                           false,
		"acme/elasticio/timer":                   false,
		"registry.example.com/a/elasticio/timer": false,
		"Elasticio/timer":                        false,
	} {
		if got := builtin.Match("elasticio/timer", image); got != want {
			t.Errorf("Match(elasticio/timer, %q): got %v, want %v", image, got, want)
		}
	}
}

func TestDecodeSaysWhatIsWrongInWordsOfJSON(t *testing.T) {
	type config struct {
		Interval string `json:"interval"`
		Nested   struct {
			Count int `json:"count"`
		} `json:"nested"`
		List []string          `json:"list"`
		Flag bool              `json:"flag"`
		Map  map[string]string `json:"map"`
	}
	for data, want := range map[string][]builtin.Problem{
		``:                         nil,
		`{}`:                       nil,
		`{"interval":"hour"}`:      nil,
		`{"interval":5}`:           {{Path: "data.interval", Text: "expected a string, found a number"}},
		`{"nested":{"count":"x"}}`: {{Path: "data.nested.count", Text: "expected a number, found a string"}},
		`{"list":{}}`:              {{Path: "data.list", Text: "expected an array, found an object"}},
		`{"flag":[]}`:              {{Path: "data.flag", Text: "expected a boolean, found an array"}},
		`{"map":true}`:             {{Path: "data.map", Text: "expected an object, found a boolean"}},
		`[]`:                       {{Path: "data", Text: "expected an object, found an array"}},
	} {
		got := builtin.Decode(json.RawMessage(data), new(config))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Decode(%s): (-want +got)\n%s", data, diff)
		}
	}
}

func TestChecksNamesTheKnownFunctions(t *testing.T) {
	fine := func(json.RawMessage) []builtin.Problem { return nil }
	check := builtin.Checks(map[string]func(json.RawMessage) []builtin.Problem{"receive": fine, "post": fine})
	want := []builtin.Problem{{Path: "function", Text: `unknown function "recieve"; known: post, receive`}}
	if diff := cmp.Diff(want, check("recieve", nil)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := check("receive", nil); got != nil {
		t.Errorf("receive: got %v, want no problem", got)
	}
}

func TestPathQuotesWhatIsNoPlainWord(t *testing.T) {
	for name, want := range map[string]string{
		"subject": "data.mapper.subject", "_x1": "data.mapper._x1",
		"1x": `data.mapper["1x"]`, "first name": `data.mapper["first name"]`, "": `data.mapper[""]`, "a.b": `data.mapper["a.b"]`,
	} {
		if got := builtin.Path("data.mapper", name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
