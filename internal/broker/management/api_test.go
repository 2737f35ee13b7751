package management_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ask sends a request and returns status and body.
func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// The answers are what RabbitMQ 3.10.8 gave to the same requests.
func TestRequestsAreAnsweredAsByRabbitMQ(t *testing.T) {
	url := start(t).Management
	for _, test := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"PUT", "/api/vhosts/v", ``, 201, ``},
		{"PUT", "/api/vhosts/v", `{"description":"x"}`, 204, ``},
		{"PUT", "/api/queues/v/q", `{"durable":true,"arguments":{"x-max-length":10}}`, 201, ``},
		{"PUT", "/api/queues/v/q", `{"durable":true,"arguments":{"x-max-length":10}}`, 204, ``},
		{"PUT", "/api/queues/v/q", `{bad`, 400, `{"error":"bad_request","reason":"not_json"}`},
		{"PUT", "/api/queues/v/q", `{"durable":"x"}`, 400, `{"error":"bad_request","reason":["not_boolean","x"]}`},
		{"PUT", "/api/queues/none/q", `{}`, 404, `{"error":"not_found","reason":"vhost_not_found"}`},
		{"PUT", "/api/exchanges/v/x", `{"type":"topic"}`, 201, ``},
		{"PUT", "/api/exchanges/v/y", `{}`, 201, ``},
		{"POST", "/api/bindings/v/e/x/q/q", `{"routing_key":"a.b","arguments":{}}`, 201, ``},
		{"GET", "/api/bindings/v/e/x/q/q", ``, 200, `[{"arguments":{},"destination":"q","destination_type":"queue","properties_key":"a.b","routing_key":"a.b","source":"x","vhost":"v"}]`},
		{"GET", "/api/bindings/v/e/x/q/q/none", ``, 404, `{"error":"Object Not Found","reason":"Not Found"}`},
		{"POST", "/api/exchanges/v/x/publish", `{"properties":{"delivery_mode":2,"headers":{"a":1}},"routing_key":"a.b","payload":"hello","payload_encoding":"string"}`, 200, `{"routed":true}`},
		{"POST", "/api/exchanges/v/x/publish", `{"properties":{},"routing_key":"zz","payload":"aGVsbG8=","payload_encoding":"base64"}`, 200, `{"routed":false}`},
		{"POST", "/api/exchanges/v/x/publish", `{"properties":{},"routing_key":"zz"}`, 400, `{"error":"bad_request","reason":"[{key_missing,payload},{key_missing,payload_encoding}]"}`},
		{"POST", "/api/exchanges/v/none/publish", `{"properties":{},"routing_key":"zz","payload":"","payload_encoding":"string"}`, 400, `{"error":"bad_request","reason":"404 NOT_FOUND - no exchange 'none' in vhost 'v'"}`},
		{"POST", "/api/queues/v/q/get", `{"count":5,"ackmode":"ack_requeue_true","encoding":"auto","truncate":50000}`, 200, `[{"exchange":"x","message_count":0,"payload":"hello","payload_bytes":5,"payload_encoding":"string","properties":{"delivery_mode":2,"headers":{"a":1}},"redelivered":false,"routing_key":"a.b"}]`},
		{"POST", "/api/queues/v/q/get", `{"count":5,"ackmode":"ack_requeue_false","encoding":"base64"}`, 200, `[{"exchange":"x","message_count":0,"payload":"aGVsbG8=","payload_bytes":5,"payload_encoding":"base64","properties":{"delivery_mode":2,"headers":{"a":1}},"redelivered":true,"routing_key":"a.b"}]`},
		{"POST", "/api/exchanges/v/x/publish", `{"properties":{},"routing_key":"a.b","payload":"","payload_encoding":"string"}`, 200, `{"routed":true}`},
		{"POST", "/api/queues/v/q/get", `{"count":5,"ackmode":"ack_requeue_false","encoding":"auto"}`, 200, `[{"exchange":"x","message_count":0,"payload":"","payload_bytes":0,"payload_encoding":"string","properties":[],"redelivered":false,"routing_key":"a.b"}]`},
		{"POST", "/api/queues/v/q/get", `{"count":5}`, 400, `{"error":"bad_request","reason":"[{key_missing,ackmode},{key_missing,encoding}]"}`},
		{"POST", "/api/queues/v/none/get", `{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}`, 404, `{"error":"not_found","reason":"NOT_FOUND - no queue 'none' in vhost 'v'"}`},
		{"DELETE", "/api/queues/v/none/contents", ``, 404, `{"error":"Object Not Found","reason":"Not Found"}`},
		{"GET", "/api/queues/v?columns=name,messages", ``, 200, `[{"messages":0,"name":"q"}]`},
		{"PUT", "/api/policies/v/a", `{"pattern":"^a","definition":{"max-length":3,"message-ttl":1000},"priority":1,"apply-to":"queues"}`, 201, ``},
		{"PUT", "/api/policies/v/a", `{"pattern":"^a","definition":{"max-length":3},"priority":1,"apply-to":"queues"}`, 204, ``},
		{"GET", "/api/policies/v/a", ``, 200, `{"apply-to":"queues","definition":{"max-length":3},"name":"a","pattern":"^a","priority":1,"vhost":"v"}`},
		{"GET", "/api/policies/v/none", ``, 404, `{"error":"Object Not Found","reason":"Not Found"}`},
		{"PUT", "/api/policies/v/c", `{"definition":{"max-length":3}}`, 400, `{"error":"bad_request","reason":"[{key_missing,pattern}]"}`},
		{"PUT", "/api/policies/v/c", `{"pattern":"b","definition":{}}`, 400, `{"error":"bad_request","reason":"Validation failed\n\nno policy provided\n"}`},
		{"PUT", "/api/policies/v/c", `{"pattern":"a","definition":{"foo":3}}`, 400, `{"error":"bad_request","reason":"Validation failed\n\n[{&lt;&lt;\"foo\"&gt;&gt;,3}] are not recognised policy settings\n"}`},
		{"PUT", "/api/policies/v/c", `{"pattern":"a","definition":{"foo":3,"max-length":-1}}`, 400, `{"error":"bad_request","reason":"Validation failed\n\n-1 is not a valid maximum length\n"}`},
		{"PUT", "/api/policies/v/c", `{"pattern":"a","definition":{"message-ttl":"x"}}`, 400, `{"error":"bad_request","reason":"Validation failed\n\n&lt;&lt;\"x\"&gt;&gt; is not a valid message TTL\n"}`},
		{"PUT", "/api/policies/v/c", `{"pattern":"a","definition":{"expires":0}}`, 400, `{"error":"bad_request","reason":"Validation failed\n\n0 is not a valid queue expiry\n"}`},
		{"PUT", "/api/policies/v/c", `{"pattern":"a","definition":{"dead-letter-exchange":1}}`, 400, `{"error":"bad_request","reason":"Validation failed\n\n1 is not a valid dead letter exchange name\n"}`},
		{"PUT", "/api/policies/v/c", `{"pattern":"a","definition":{"overflow":"x"}}`, 400, `{"error":"bad_request","reason":"Validation failed\n\n&lt;&lt;\"x\"&gt;&gt; is not a valid overflow value\n"}`},
		{"PUT", "/api/policies/v/c", `{"pattern":"a","definition":{"max-length":1},"priority":"x"}`, 400, `{"error":"bad_request","reason":"Validation failed\n\npriority should be a number, actually was &lt;&lt;\"x\"&gt;&gt;\n"}`},
		{"PUT", "/api/policies/v/c", `{"pattern":"a","definition":{"max-length":1},"apply-to":"x"}`, 400, `{"error":"bad_request","reason":"Validation failed\n\napply-to 'x' unrecognised; should be 'queues', 'exchanges' or 'all'\n"}`},
		{"PUT", "/api/operator-policies/v/o", `{"pattern":"^a","definition":{"max-length":2},"apply-to":"queues"}`, 201, ``},
		{"GET", "/api/parameters", ``, 200, `[{"component":"operator_policy","name":"o","value":{"apply-to":"queues","definition":{"max-length":2},"pattern":"^a","priority":0},"vhost":"v"}]`},
		{"GET", "/api/parameters/shovel", ``, 200, `[]`},
		{"DELETE", "/api/policies/v/a", ``, 204, ``},
		{"DELETE", "/api/policies/v/a", ``, 404, `{"error":"Object Not Found","reason":"Not Found"}`},
		{"PUT", "/api/users/u", `{"password":"p"}`, 400, `{"error":"bad_request","reason":"tags_not_present"}`},
		{"PUT", "/api/users/u", `{"password_hash":"zz","tags":""}`, 400, `{"error":"bad_request","reason":["not_base64","zz"]}`},
		{"PUT", "/api/permissions/v/guest", `{"configure":".*"}`, 400, `{"error":"bad_request","reason":"[{key_missing,write},{key_missing,read}]"}`},
		{"GET", "/api/permissions/v/guest", ``, 200, `{"configure":".*","read":".*","user":"guest","vhost":"v","write":".*"}`},
		{"GET", "/api/health/checks/protocol-listener/mqtt", ``, 503, `{"missing":"mqtt","protocols":["amqp"],"reason":"No active listener","status":"failed"}`},
		{"GET", "/api/whoami", ``, 200, `{"name":"guest","tags":["administrator"]}`},
		{"GET", "/api/nope", ``, 404, `{"error":"Object Not Found","reason":"Not Found"}`},
		{"POST", "/api/overview", ``, 405, ``},
		{"DELETE", "/api/connections/none", ``, 404, `{"error":"Object Not Found","reason":"Not Found"}`},
	} {
		status, answer := ask(t, test.method, url+test.path, test.body)
		if status != test.status || (test.answer != "" && answer != test.answer) {
			t.Errorf("%s %s %s\n got %d %s\nwant %d %s", test.method, test.path, test.body, status, answer, test.status, test.answer)
		}
	}
}

func TestListsAreSortedAndPaged(t *testing.T) {
	url := start(t).Management
	for _, name := range []string{"c", "a", "b"} {
		if status, answer := ask(t, "PUT", url+"/api/queues/%2F/"+name, `{}`); status != 201 {
			t.Fatal(status, answer)
		}
	}
	status, answer := ask(t, "GET", url+"/api/queues?page=2&page_size=2&sort=name&sort_reverse=true&columns=name", "")
	var got map[string]any
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatal(status, answer, err)
	}
	want := map[string]any{
		"items": []any{map[string]any{"name": "a"}}, "item_count": 1.0, "filtered_count": 3.0, "total_count": 3.0, "page": 2.0, "page_size": 2.0, "page_count": 2.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if status, answer := ask(t, "GET", url+"/api/queues?page=x", ""); status != 400 {
		t.Errorf("page x: %d %s, want 400", status, answer)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	url := start(t).Management
	if status, _ := ask(t, "PUT", url+"/api/queues/%2F/q", `{"arguments":{"x":"`+strings.Repeat("x", 21<<20)+`"}}`); status != 400 {
		t.Errorf("status = %d, want 400", status)
	}
}
