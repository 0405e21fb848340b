package control

import (
	"crypto/rand"
	"os"
)

// instanceName tells this process from other instances of the service that
// share a state store.
func instanceName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unnamed"
	}
	return host + "/" + rand.Text()[:8]
}
