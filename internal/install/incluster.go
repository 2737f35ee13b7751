package install

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// serviceAccount is where Kubernetes puts a pod's token.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// InCluster returns the API server of the cluster that this program runs in, and the namespace of its pod.
func InCluster() (c Cluster, namespace string, err error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return c, "", fmt.Errorf("KUBERNETES_SERVICE_HOST isn't set: this runs in a pod")
	}
	files := map[string]string{}
	for _, name := range []string{"token", "ca.crt", "namespace"} {
		text, err := os.ReadFile(filepath.Join(serviceAccount, name))
		if err != nil {
			return c, "", fmt.Errorf("read service account: %w", err)
		}
		files[name] = strings.TrimSpace(string(text))
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(files["ca.crt"])) {
		return c, "", fmt.Errorf("read service account: no certificate in ca.crt")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return Cluster{
		URL:    "https://" + net.JoinHostPort(host, port),
		Token:  files["token"],
		Client: &http.Client{Transport: transport, Timeout: 30 * time.Second},
	}, files["namespace"], nil
}
