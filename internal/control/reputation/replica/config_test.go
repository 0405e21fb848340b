package replica

import (
	"testing"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/link/identity"
)

// TestTokenStaysSecret: a look-up node's token does not go out in clear.
func TestTokenStaysSecret(t *testing.T) {
	for from, fine := range map[string]bool{"https://console.example.net": true, "http://127.0.0.1:8443": true, "/srv/reputation.snapshot": true, "http://console.example.net": false} {
		c := Default()
		c.From, c.Key, c.TokenFile = from, replicaKey(t), "/etc/masugata/token"
		f := &configfile.File{}
		c.Check(f, "replica")
		if err := f.Err(); (err == nil) != fine {
			t.Errorf("%s: %v", from, err)
		}
	}
}

func replicaKey(t *testing.T) string {
	signer, err := identity.OpenSigner(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey().String()
}
