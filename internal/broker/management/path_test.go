package management_test

import (
	"net/http"
	"testing"
)

func TestNamesThatLookLikeStructureCanBeAskedFor(t *testing.T) {
	target := start(t)
	for _, path := range []string{"/api/queues/%2F", "/api/queues/%2f", "/api/queues/%2F/", "/api/vhosts/%2F", "/api/connections/", "/api/permissions/%2F/guest", "/api/exchanges/%2F/amq.default", "/api/bindings/%2F", "/api/exchanges/%2F//bindings/source"} {
		res, err := http.Get(target.Management + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", path, res.Status)
		}
	}
}
