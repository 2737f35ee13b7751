package management_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// definitions is what RabbitMQ 3.10.8 exported, shortened.
const definitions = `{"rabbit_version":"3.10.8","rabbitmq_version":"3.10.8","product_name":"RabbitMQ","product_version":"3.10.8",
"users":[{"name":"step","password_hash":"30CwAbyNkJ1zK/GEQVkg7uNee+A4bBaoa3RE8u6KyM11lTab","hashing_algorithm":"rabbit_password_hashing_sha256","tags":["monitoring"],"limits":{}}],
"vhosts":[{"name":"/"},{"name":"pv"}],
"permissions":[{"user":"guest","vhost":"pv","configure":".*","write":".*","read":".*"},{"user":"step","vhost":"pv","configure":"","write":"^x$","read":"^q$"}],
"topic_permissions":[{"user":"step","vhost":"pv","exchange":"x","write":"^a","read":".*"}],
"parameters":[{"value":{"pattern":"^a","definition":{"max-length":2},"priority":0,"apply-to":"queues"},"vhost":"pv","component":"operator_policy","name":"o"}],
"global_parameters":[{"name":"internal_cluster_id","value":"rabbitmq-cluster-id-dNCwk8MPuyA8Ec7xrxdcIQ"}],
"policies":[{"vhost":"pv","name":"p","pattern":"^q","apply-to":"queues","definition":{"max-length":3,"message-ttl":1000},"priority":1}],
"queues":[{"name":"q","vhost":"pv","durable":true,"auto_delete":false,"arguments":{"x-max-length":10,"x-queue-type":"classic"}}],
"exchanges":[{"name":"x","vhost":"pv","type":"topic","durable":true,"auto_delete":false,"internal":false,"arguments":{}},{"name":"y","vhost":"pv","type":"fanout","durable":true,"auto_delete":false,"internal":true,"arguments":{"alternate-exchange":"x"}}],
"bindings":[{"source":"x","vhost":"pv","destination":"q","destination_type":"queue","routing_key":"a.#","arguments":{}},{"source":"x","vhost":"pv","destination":"y","destination_type":"exchange","routing_key":"b","arguments":{"k":1}}]}`

func TestDefinitionsOfRabbitMQAreImportedAndExportedTheSame(t *testing.T) {
	first, second := start(t).Management, start(t).Management
	for range 2 { // what exists already is no error
		if status, answer := ask(t, "POST", first+"/api/definitions", definitions); status != 204 {
			t.Fatalf("import: %d %s", status, answer)
		}
	}
	_, exported := ask(t, "GET", first+"/api/definitions", "")
	for _, part := range []string{
		`{"hashing_algorithm":"rabbit_password_hashing_sha256","limits":{},"name":"step","password_hash":"30CwAbyNkJ1zK/GEQVkg7uNee+A4bBaoa3RE8u6KyM11lTab","tags":["monitoring"]}`,
		`"topic_permissions":[{"exchange":"x","read":".*","user":"step","vhost":"pv","write":"^a"}]`,
		`"queues":[{"arguments":{"x-max-length":10,"x-queue-type":"classic"},"auto_delete":false,"durable":true,"name":"q","vhost":"pv"}]`,
		`{"arguments":{"k":1},"destination":"y","destination_type":"exchange","routing_key":"b","source":"x","vhost":"pv"}`,
		`"policies":[{"apply-to":"queues","definition":{"max-length":3,"message-ttl":1000},"name":"p","pattern":"^q","priority":1,"vhost":"pv"}]`,
		`{"component":"operator_policy","name":"o","value":{"apply-to":"queues","definition":{"max-length":2},"pattern":"^a","priority":0},"vhost":"pv"}`,
	} {
		if !strings.Contains(exported, part) {
			t.Errorf("the export lacks %s", part)
		}
	}
	if status, answer := ask(t, "POST", second+"/api/definitions", exported); status != 204 {
		t.Fatalf("import of the export: %d %s", status, answer)
	}
	_, again := ask(t, "GET", second+"/api/definitions", "")
	if diff := cmp.Diff(exported, again); diff != "" {
		t.Errorf("(-exported +exported after import):\n%s", diff)
	}
	if _, state := ask(t, "GET", first+"/api/queues/pv/q?columns=policy,effective_policy_definition", ""); state != `{"effective_policy_definition":{"max-length":3,"message-ttl":1000},"policy":"p"}` {
		t.Errorf("queue: %s", state)
	}
}

func TestDefinitionsOfOneVirtualHostGoIntoAnother(t *testing.T) {
	url := start(t).Management
	if status, answer := ask(t, "POST", url+"/api/definitions", definitions); status != 204 {
		t.Fatalf("import: %d %s", status, answer)
	}
	_, exported := ask(t, "GET", url+"/api/definitions/pv", "")
	ask(t, "PUT", url+"/api/vhosts/other", "")
	if status, answer := ask(t, "POST", url+"/api/definitions/other", exported); status != 204 {
		t.Fatalf("import: %d %s", status, answer)
	}
	_, again := ask(t, "GET", url+"/api/definitions/other", "")
	if diff := cmp.Diff(exported, strings.ReplaceAll(again, `"other"`, `"pv"`)); diff != "" {
		t.Errorf("(-exported +exported after import):\n%s", diff)
	}
}

func TestDefinitionsCanComeFromAForm(t *testing.T) {
	url := start(t).Management
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "definitions.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte(definitions)); err != nil {
		t.Fatal(err)
	}
	form.Close()
	res, err := http.Post(url+"/api/definitions", form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if status, _ := ask(t, "GET", url+"/api/queues/pv/q", ""); res.StatusCode != 204 || status != 200 {
		t.Errorf("import: %s, then the queue: %d", res.Status, status)
	}
}

func TestDefinitionsThatCantBeAreRefusedByName(t *testing.T) {
	url := start(t).Management
	for body, want := range map[string]string{
		`[]`:               `not_json`,
		`{"queues":5}`:     `queues must be a list`,
		`{"queues":["q"]}`: `queues must be a list of objects`,
		`{"queues":[{"name":"q","vhost":"/","durable":true,"arguments":{"x-max-length":-1}}]}`:                                      `invalid arg 'x-max-length' for queue 'q'`,
		`{"bindings":[{"source":"none","vhost":"/","destination":"q","destination_type":"queue","routing_key":"","arguments":{}}]}`: `no exchange 'none'`,
		`{"users":[{"name":"u","password_hash":"","hashing_algorithm":"rabbit_password_hashing_md5","tags":""}]}`:                   `rabbit_password_hashing_md5`,
		`{"permissions":[{"user":"nobody","vhost":"/","configure":"","write":"","read":""}]}`:                                       `nobody`,
	} {
		status, answer := ask(t, "POST", url+"/api/definitions", body)
		if status != 400 || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s, want 400 and %q", body, status, answer, want)
		}
	}
}
