package mapper_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/mapper"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func open(t testing.TB, config string) *componenttest.Step {
	t.Helper()
	return componenttest.Open(t, mapper.Map, componenttest.Options{Config: config})
}

func TestTheNewBodyHasTheValuesOfItsExpressions(t *testing.T) {
	for name, test := range map[string]struct{ config, body, want string }{
		"the example flow": {
			`{"mapper":{"to":"\"ann@example.com\"","subject":"\"Test from e.io at: \" & $.fireTime","textBody":"\"Body is: \\n\" &\n$string($$)"}}`,
			`{"fireTime": "2026-11-22T16:01:02.123Z", "lastPoll": "x"}`,
			`{"to":"ann@example.com","subject":"Test from e.io at: 2026-11-22T16:01:02.123Z",` +
				`"textBody":"Body is: \n{\"fireTime\":\"2026-11-22T16:01:02.123Z\",\"lastPoll\":\"x\"}"}`,
		},
		"members in the order of the mapper": {`{"mapper":{"z":"1","a":"2","m":"3"}}`, `{}`, `{"z":1,"a":2,"m":3}`},
		"what is not found is left out":      {`{"mapper":{"a":"x","b":"y","c":"z"}}`, `{"y":0}`, `{"b":0}`},
		"null stays":                         {`{"mapper":{"a":"x","b":"null"}}`, `{"x":null}`, `{"a":null,"b":null}`},
		"any type of value": {`{"mapper":{"n":"1.5","b":"true","o":"{\"k\": x}","l":"[x,2]","s":"x & \"ä\\\"\""}}`, `{"x":1}`,
			`{"n":1.5,"b":true,"o":{"k":1},"l":[1,2],"s":"1ä\""}`},
		"an expression of its own for a strange name": {`{"mapper":{"first \"name\"":"n"}}`, `{"n":"Ann"}`, `{"first \"name\"":"Ann"}`},
		"the last one of two members of one name":     {`{"mapper":{"a":"1","b":"2","a":"3"}}`, `{}`, `{"a":3,"b":2}`},
		"no members":                {`{"mapper":{}}`, `{"x":1}`, `{}`},
		"no body":                   {`{"mapper":{"a":"$string($$)"}}`, ``, `{"a":"{}"}`},
		"the body is both $ and $$": {`{"mapper":{"a":"$.x = $$.x"}}`, `{"x":1}`, `{"a":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			in := componenttest.Message(test.body)
			got := open(t, test.config).Process(t, in)
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if len(got.Messages) != 1 {
				t.Fatalf("got %d messages, want 1", len(got.Messages))
			}
			if diff := cmp.Diff(test.want, string(got.Messages[0].Body)); diff != "" {
				t.Errorf("body: (-want +got)\n%s", diff)
			}
		})
	}
}

func TestOnlyTheBodyChanges(t *testing.T) {
	in := &component.Message{
		ID: "3fe0a0c8-6d7e-4a0a-9e6b-111111111111", Body: raw(`{"a":1}`), Attachments: raw(`{"f":{"url":"http://x"}}`), Headers: raw(`{"h":"1"}`),
		Metadata: raw(`{"m":1}`), Passthrough: raw(`{"s":{}}`), Method: "POST", URL: "/x", Query: raw(`{}`),
	}
	got := open(t, `{"mapper":{"b":"a"}}`).Process(t, in)
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	m := got.Messages[0]
	if m.ID == in.ID {
		t.Errorf("the new message has the id of the old one")
	}
	want := &component.Message{ID: m.ID, Body: raw(`{"b":1}`), Attachments: in.Attachments, Headers: in.Headers, Metadata: in.Metadata}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAFailingExpressionIsAnErrorWithItsPlace(t *testing.T) {
	for name, test := range map[string]struct{ config, body, want string }{
		"a wrong type":    {`{"mapper":{"ok":"1","subject":"a +\n  b"}}`, `{"a":1,"b":"x"}`, "mapper.subject:1:3: "},
		"$error":          {`{"mapper":{"x":"$error(\"no customer\")"}}`, `{}`, "no customer"},
		"a broken body":   {`{"mapper":{"x":"1"}}`, `{"a":`, "decode body"},
		"too much memory": {`{"mapper":{"x":"$pad(\"x\", 200000000)"}}`, `{}`, "U1003"},
	} {
		got := open(t, test.config).Process(t, componenttest.Message(test.body))
		if got.Err == nil || !strings.Contains(got.Err.Error(), test.want) || component.IsRebound(got.Err) {
			t.Errorf("%s: got %v; want a final error with %q", name, got.Err, test.want)
		}
		if len(got.Messages) != 0 {
			t.Errorf("%s: got %d messages, want none", name, len(got.Messages))
		}
	}
}

func TestTheContextEndsAnEvaluation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := open(t, `{"mapper":{"x":"$sum([1..1000000])"}}`).ProcessContext(ctx, componenttest.Message(`{}`))
	if got.Err == nil {
		t.Error("no error")
	}
}

func TestCheckFindsEveryMistake(t *testing.T) {
	for data, want := range map[string][]string{
		`{"mapper":{"a":"b"}}`: nil,
		``:                     {"data.mapper: missing: an object with a JSONata expression for each member of the new body"},
		`{}`:                   {"data.mapper: missing: an object with a JSONata expression for each member of the new body"},
		`{"mapper":[]}`:        {"data.mapper: expected an object with a JSONata expression for each member of the new body"},
		`{"mapper":"$"}`:       {"data.mapper: expected an object with a JSONata expression for each member of the new body"},
		`{"mapper":{"a":5,"b":null,"c":{"d":"e"}}}`: {
			"data.mapper.a: expected a JSONata expression, a string",
			"data.mapper.b: expected a JSONata expression, a string",
			"data.mapper.c: expected a JSONata expression, a string",
		},
		`{"mapper":{"subject":"\"Test at: & $.fireTime","to list":"1 +\n + ","ok":"1"}}`: {
			`data.mapper.subject: 1:`,
			`data.mapper["to list"]: 2:`,
		},
	} {
		var got []string
		for _, p := range mapper.Component().Check("jsonataMap", raw(data)) {
			got = append(got, p.String())
		}
		if len(got) != len(want) {
			t.Errorf("check %s: got %q, want %q", data, got, want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("check %s: got %q, want %q", data, got[i], want[i])
			}
		}
		_, err := componenttest.New(mapper.Map, componenttest.Options{Config: data})
		if (err != nil) != (want != nil) {
			t.Errorf("open with %s: got %v, want %d problems", data, err, len(want))
		}
	}
}

func TestCheckFindsTyposThatStopNoStep(t *testing.T) {
	data := `{"mapper":{"a":"$uppercas(b)","b":"c & $nosuch","c":"1"}}`
	want := []string{"data.mapper.a: 1:1: ", "data.mapper.b: 1:5: "}
	got := mapper.Component().Check("jsonataMap", raw(data))
	if len(got) != len(want) {
		t.Fatalf("got %v, want %q", got, want)
	}
	for i := range got {
		if !strings.HasPrefix(got[i].String(), want[i]) {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
	open(t, data)
}

func TestTransform(t *testing.T) {
	for name, test := range map[string]struct {
		expression, body, passthrough string
		want                          []string
		err                           string
	}{
		"an object is one message":          {expression: `{"b": a}`, body: `{"a":1}`, want: []string{`{"b":1}`}},
		"an array is one for each item":     {expression: `l.{"n": $}`, body: `{"l":[1,2,3]}`, want: []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}},
		"the body itself":                   {expression: `$`, body: `{"a":1}`, want: []string{`{"a":1}`}},
		"what is not found is none":         {expression: `x`, body: `{}`},
		"null is none":                      {expression: `null`, body: `{}`},
		"an empty object is none":           {expression: `{}`, body: `{}`},
		"an empty array is none":            {expression: `[]`, body: `{}`},
		"no body is an empty one":           {expression: `{"k": $count($keys($))}`, want: []string{`{"k":0}`}},
		"a string is an error":              {expression: `"abc"`, body: `{}`, err: "neither an object nor an array"},
		"an item that is none is an error":  {expression: `[{"a":1},2]`, body: `{}`, err: "item 1 of its result is no object"},
		"a failing expression":              {expression: `a + "x"`, body: `{"a":1}`, err: "expression:1:3: "},
		"passthrough is at elasticio":       {expression: `{"x": elasticio.step_1.body.x, "a": a}`, body: `{"a":1}`, passthrough: `{"step_1":{"body":{"x":7}}}`, want: []string{`{"x":7,"a":1}`}},
		"passthrough with an empty body":    {expression: `{"x": elasticio.step_1.body.x}`, body: `{}`, passthrough: `{"step_1":{"body":{"x":7}}}`, want: []string{`{"x":7}`}},
		"without passthrough there is none": {expression: `{"e": $exists(elasticio)}`, body: `{}`, passthrough: `{}`, want: []string{`{"e":false}`}},
		"the member is reserved":            {expression: `$`, body: `{"elasticio":1}`, passthrough: `{"s":{}}`, err: "reserved"},
		"and free otherwise":                {expression: `$`, body: `{"elasticio":1}`, want: []string{`{"elasticio":1}`}},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := json.Marshal(map[string]string{"expression": test.expression})
			if err != nil {
				t.Fatal(err)
			}
			in := componenttest.Message(test.body)
			in.Passthrough, in.Headers = raw(test.passthrough), raw(`{"h":"1"}`)
			got := componenttest.Open(t, mapper.Transform, componenttest.Options{Config: string(config)}).Process(t, in)
			if test.err != "" {
				if got.Err == nil || !strings.Contains(got.Err.Error(), test.err) || len(got.Messages) != 0 {
					t.Errorf("got %v, %d messages; want an error with %q", got.Err, len(got.Messages), test.err)
				}
				return
			}
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			var bodies []string
			for _, m := range got.Messages {
				bodies = append(bodies, string(m.Body))
				if string(m.Headers) != "{}" {
					t.Errorf("headers: got %s, want none", m.Headers)
				}
			}
			if diff := cmp.Diff(test.want, bodies); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTransformIsChecked(t *testing.T) {
	for data, want := range map[string]string{
		`{"expression":"$"}`:   "",
		`{}`:                   "data.expression: missing",
		`{"expression":5}`:     "data.expression: expected a JSONata expression, a string",
		`{"expression":"a ["}`: "data.expression: 1:",
	} {
		var got []string
		for _, p := range mapper.TransformComponent().Check("transform", raw(data)) {
			got = append(got, p.String())
		}
		if (want == "") != (got == nil) || !strings.HasPrefix(strings.Join(got, "\n"), want) {
			t.Errorf("%s: got %q, want %q", data, got, want)
		}
		_, err := componenttest.New(mapper.Transform, componenttest.Options{Config: data})
		if (err != nil) != (want != "") {
			t.Errorf("open with %s: got %v", data, err)
		}
	}
}

// BenchmarkMap maps 10 members out of a body of 1 KiB.
func BenchmarkMap(b *testing.B) {
	config := `{"mapper":{
		"id":"order.id", "customer":"order.customer.name", "city":"order.customer.address.city", "total":"$sum(order.lines.(price * quantity))",
		"first":"order.lines[0].sku", "count":"$count(order.lines)", "label":"\"Order \" & order.id & \" of \" & order.customer.name",
		"express":"order.express = true", "skus":"order.lines.sku", "note":"$uppercase(order.note)"}}`
	body := `{"order":{"id":"A-1001","express":true,"note":"please ring twice","customer":{"name":"Ann Example","address":{"street":"Main Street 5","city":"Bonn","zip":"53111"}},"lines":[`
	for i := range 9 {
		if i > 0 {
			body += ","
		}
		body += fmt.Sprintf(`{"sku":"SKU-%04d","description":"Article number %d of this order","price":%d.5,"quantity":%d}`, i, i, i, i+1)
	}
	body += `]}}`
	b.Logf("the body has %d bytes", len(body))
	emit := output{}
	var process component.Process
	componenttest.Open(b, func(step *component.Step) (component.Process, error) {
		var err error
		process, err = mapper.Map(step)
		return process, err
	}, componenttest.Options{Config: config})
	in := componenttest.Message(body)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := process(b.Context(), in, emit); err != nil {
			b.Fatal(err)
		}
	}
}

// output takes everything and keeps nothing.
type output struct{}

func (output) Emit(*component.Message) error { return nil }
func (output) Snapshot(any) error            { return nil }
func (output) UpdateSnapshot(any) error      { return nil }
func (output) Reply(component.Reply) error   { return nil }

var _ component.Output = output{}
