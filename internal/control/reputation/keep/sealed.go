package keep

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/masugata/masugata/internal/link/identity"
)

// maxSealed bounds a sealed file, in bytes.
const maxSealed = 128 << 20

// sealedLine begins a sealed file: what it is, of which version, how long what
// follows is and its SHA-256.
const sealedLine = "masugata %s %d %d %x\n"

// ErrSealed says that a file is not what was once written.
var ErrSealed = errors.New("damaged or of another version")

// WriteSealed replaces a file of the folder, whole or not at all, so that
// ReadSealed notices whatever happens to it.
func (d Folder) WriteSealed(name, what string, version int, content []byte) error {
	if len(content) > maxSealed {
		return fmt.Errorf("%s would have %d MB; at most %d are kept", name, len(content)>>20, maxSealed>>20)
	}
	head := fmt.Sprintf(sealedLine, what, version, len(content), sha256.Sum256(content))
	return identity.WriteFile(d.Path(name), append([]byte(head), content...))
}

// ReadSealed reads a file that WriteSealed wrote. The error wraps
// os.ErrNotExist when there is none, and ErrSealed with the reason when it
// cannot be believed.
func (d Folder) ReadSealed(name, what string, version int) ([]byte, error) {
	path := d.Path(name)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSealed+1024))
	if err != nil {
		return nil, err
	}
	bad := func(why string) error { return fmt.Errorf("%s is %w: %s", path, ErrSealed, why) }
	head, content, ok := bytes.Cut(b, []byte("\n"))
	if !ok || len(head) > 512 {
		return nil, bad("it has no first line")
	}
	var gotWhat string
	var gotVersion, size int
	var sum []byte
	if _, err := fmt.Sscanf(string(head), sealedLine[:len(sealedLine)-1], &gotWhat, &gotVersion, &size, &sum); err != nil {
		return nil, bad("its first line is not ours")
	}
	switch have := sha256.Sum256(content); {
	case gotWhat != what:
		return nil, bad("it holds " + gotWhat)
	case gotVersion != version:
		return nil, bad(fmt.Sprintf("it has version %d, this program reads %d", gotVersion, version))
	case size != len(content):
		return nil, bad(fmt.Sprintf("%d bytes of %d are there", len(content), size))
	case !bytes.Equal(have[:], sum):
		return nil, bad("its checksum is wrong")
	}
	return content, nil
}
