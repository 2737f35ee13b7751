package message_test

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/internal/message"
)

// The vector of contract.md 3.2.
const (
	password  = "k8HO8UurPfKUNjECNAbvLRjBHWkIWz"
	iv        = "1gmpybK4iLRRyyu0"
	vector    = `{"body":{"hello":"wörld"}}`
	vectorV1  = "MWWcdGLKChFH6zZMUT+n5lN8CLIiSGqw7AeAbyP4+sQ="
	vectorHex = "31659c7462ca0a1147eb364c513fa7e6537c08b222486ab0ec07806f23f8fac4"
)

func testCipher(t testing.TB) *message.Cipher {
	t.Helper()
	c, err := message.NewCipher(password, iv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCipherMatchesTheVectorOfTheContract(t *testing.T) {
	c := testCipher(t)
	if got := string(c.Encrypt([]byte(vector))); got != vectorV1 {
		t.Errorf("Encrypt = %s, want %s", got, vectorV1)
	}
	raw, _ := hex.DecodeString(vectorHex)
	for version, body := range map[int][]byte{1: []byte(vectorV1), 2: raw} {
		plain, err := c.Decrypt(body, version)
		if err != nil || string(plain) != vector {
			t.Errorf("Decrypt version %d = %s, %v", version, plain, err)
		}
	}
}

func TestCipherRoundTripsEveryLength(t *testing.T) {
	c := testCipher(t)
	for n := 1; n < 100; n++ {
		plain := strings.Repeat("x", n)
		got, err := c.Decrypt(c.Encrypt([]byte(plain)), 1)
		if err != nil || string(got) != plain {
			t.Fatalf("length %d: %q, %v", n, got, err)
		}
		if size := len(c.Encrypt([]byte(plain))); c.Size(n) != size {
			t.Fatalf("Size(%d) = %d, want %d", n, c.Size(n), size)
		}
	}
}

func TestCipherRefusesWhatItCannotRead(t *testing.T) {
	other, err := message.NewCipher("another password", iv)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		body    string
		version int
		want    string
	}{
		"nothing":          {"", 1, "decrypt message: it is empty"},
		"plain text":       {`{"body":{}}`, 1, "decrypt message: not base64, as protocol version 1 has to be: illegal base64 data at input byte 0"},
		"half a block":     {"MWWcdGLKChE=", 1, "decrypt message: 8 bytes, not a multiple of 16"},
		"empty base64":     {"\n", 1, "decrypt message: 0 bytes, not a multiple of 16"},
		"another password": {string(other.Encrypt([]byte(vector))), 1, "decrypt message: bad padding: it was encrypted with another password or IV"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := testCipher(t).Decrypt([]byte(tt.body), tt.version)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestPlainModeLeavesBodiesAlone(t *testing.T) {
	c, err := message.NewCipher("", "")
	if err != nil || c != nil {
		t.Fatalf("NewCipher = %v, %v, want the nil cipher", c, err)
	}
	if got := string(c.Encrypt([]byte(vector))); got != vector {
		t.Errorf("Encrypt = %s", got)
	}
	if got, err := c.Decrypt([]byte(vector), 2); err != nil || string(got) != vector {
		t.Errorf("Decrypt = %s, %v", got, err)
	}
}

func TestCipherWantsSixteenBytesOfIV(t *testing.T) {
	if _, err := message.NewCipher(password, "short"); err == nil {
		t.Error("a short IV was accepted")
	}
}

func TestDecodeReadsWhatComponentsWrite(t *testing.T) {
	tests := map[string]struct {
		in   string
		want message.Message
	}{
		"the least that a node component emits": {`{"body":{"a":1}}`, message.Message{Body: json.RawMessage(`{"a":1}`)}},
		"null is absent":                        {`{"id":null,"body":null,"headers":{}}`, message.Message{Headers: json.RawMessage(`{}`)}},
		"escapes in names, space, unknown":      {" {\"\\u0062ody\" : [ 1 ] , \"x\": {\"y\":[]} } ", message.Message{Body: json.RawMessage(`[ 1 ]`)}},
		"all": {`{"id":"i","attachments":{"a":{}},"body":{},"headers":{"h":"1"},"metadata":{"m":1},"passthrough":{"s":{}},"query":{"q":"1"},"params":{},"method":"GET","url":"/u","originalUrl":"/o","taskId":"t\n"}`,
			message.Message{ID: "i", Attachments: json.RawMessage(`{"a":{}}`), Body: json.RawMessage(`{}`), Headers: json.RawMessage(`{"h":"1"}`), Metadata: json.RawMessage(`{"m":1}`),
				Passthrough: json.RawMessage(`{"s":{}}`), Query: json.RawMessage(`{"q":"1"}`), Params: json.RawMessage(`{}`), Method: "GET", URL: "/u", OriginalURL: "/o", TaskID: "t\n"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := message.Decode([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRefusesWhatIsNoEnvelope(t *testing.T) {
	tests := map[string]string{
		``:                   "decode message: it is empty",
		`[]`:                 "decode message: expected an object, found an array",
		`"x"`:                "decode message: expected an object, found a string",
		`{"id":7}`:           "decode message: id: expected a string, found a number",
		`{"body":{}`:         "decode message: unexpected end of JSON",
		`{"body":{}} x`:      `decode message: unexpected 'x' at offset 12, expected the end`,
		`{"body" {}}`:        `decode message: unexpected '{' at offset 8, expected a colon`,
		`{"body":{"a":tru}}`: `decode message: unexpected 't' at offset 13, expected a value`,
		`{"body":{"a" 1}}`:   `decode message: unexpected '1' at offset 13, expected a colon`,
		`{"body":[1 2]}`:     `decode message: unexpected '2' at offset 11, expected a comma or the end of the array`,
	}
	for in, want := range tests {
		if _, err := message.Decode([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("Decode(%s)\n got %v\nwant %s", in, err, want)
		}
	}
}

func TestEncodeWritesWhatEveryGenerationReads(t *testing.T) {
	m := message.Message{ID: "3f1f0f43-59b3-4a77-b5ba-5bb41da9b0d0", Body: json.RawMessage(`{"a":"\u003c"}`), Query: json.RawMessage(`{"q":"1"}`), Method: "GET", URL: "/a\"b"}
	got, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"3f1f0f43-59b3-4a77-b5ba-5bb41da9b0d0","attachments":{},"body":{"a":"\u003c"},"headers":{},"metadata":{},"query":{"q":"1"},"method":"GET","url":"/a\"b"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEncodeRefusesABodyThatIsNoJSON(t *testing.T) {
	m := message.Message{ID: "x", Body: json.RawMessage(`{"a":`)}
	if _, err := m.Encode(); err == nil || err.Error() != "encode message: body: unexpected end of JSON" {
		t.Errorf("got %v", err)
	}
}

func TestHandedOnKeepsWhatSurvivesEveryGeneration(t *testing.T) {
	in := message.Headers{"reply_to": "r", "X-Eio-Meta-Foo": "bar", "x-eio-meta-trace-id": "t", "other": "x", "taskId": "f"}
	got := message.Headers{}
	in.HandedOn(got)
	want := message.Headers{"reply_to": "r", "x-eio-meta-foo": "bar", "x-eio-meta-trace-id": "t", "threadId": "t"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTakeHeaderRemovesItWhateverItsCase(t *testing.T) {
	headers := json.RawMessage(`{"a":1,"X-EIO-Routing-Key":"f.s.input","b":"2"}`)
	got, err := message.TakeHeader(&headers, message.RoutingKeyHeader)
	if err != nil || got != "f.s.input" || string(headers) != `{"a":1,"b":"2"}` {
		t.Errorf("got %q, %v, left %s", got, err, headers)
	}
	got, err = message.TakeHeader(&headers, message.RoutingKeyHeader)
	if err != nil || got != "" || string(headers) != `{"a":1,"b":"2"}` {
		t.Errorf("second time: got %q, %v, left %s", got, err, headers)
	}
}

func FuzzValidAgreesWithTheStandardLibrary(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0.5e+3,"\u00e9\n",true,false,null,{}]}`, `[`, `"\x"`, `01`, `1.`, `{"a":1,}`, ` [] `, "\"\x01\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, want := message.Valid(data) == nil, json.Valid(data)
		if got != want {
			t.Errorf("Valid(%q) = %v, encoding/json says %v", data, got, want)
		}
	})
}

func FuzzDecodeAgreesWithTheStandardLibrary(f *testing.F) {
	f.Add([]byte(`{"id":"a","body":{"a":[1]},"headers":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := message.Decode(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("decoded invalid JSON %q", data)
		}
		var standard map[string]json.RawMessage
		if err := json.Unmarshal(data, &standard); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Encode(); err != nil {
			t.Errorf("%q can't be encoded again: %v", data, err)
		}
	})
}

func BenchmarkDecrypt1KiB(b *testing.B) {
	c := testCipher(b)
	body := c.Encrypt([]byte(strings.Repeat("x", 1024)))
	scratch := make([]byte, len(body))
	b.ReportAllocs()
	for b.Loop() {
		copy(scratch, body)
		c.Decrypt(scratch, 1)
	}
}

func BenchmarkEncrypt1KiB(b *testing.B) {
	c := testCipher(b)
	plain := []byte(strings.Repeat("x", 1024))
	b.ReportAllocs()
	for b.Loop() {
		c.Encrypt(plain)
	}
}

func BenchmarkDecodeEncode1KiB(b *testing.B) {
	m := message.Message{ID: "3f1f0f43-59b3-4a77-b5ba-5bb41da9b0d0", Body: json.RawMessage(`{"a":"` + strings.Repeat("x", 1000) + `"}`)}
	plain, err := m.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m, err := message.Decode(plain)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
