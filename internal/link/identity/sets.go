package identity

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SetInfo is what the trusted comment of a signed set says.
type SetInfo struct {
	Name    string
	Version uint64
	Issued  time.Time
	Expires time.Time
}

// Errors of VerifySet, wrapped.
var (
	ErrSetExpired = errors.New("the set's life has ended")
	ErrSetOld     = errors.New("the set is not newer than the one held")
)

// Comment gives the trusted comment: masugata set=NAME version=N issued=UNIX
// expires=UNIX.
func (i SetInfo) Comment() string {
	return fmt.Sprintf("masugata set=%s version=%d issued=%d expires=%d", i.Name, i.Version, i.Issued.Unix(), i.Expires.Unix())
}

// parseComment reads what Comment writes; fields that a newer version adds at
// the end are passed over.
func parseComment(s string) (SetInfo, error) {
	var i SetInfo
	rest, ok := strings.CutPrefix(s, "masugata ")
	if !ok {
		return i, errors.New("trusted comment is not of a masugata set")
	}
	var seen int
	for word := range strings.SplitSeq(rest, " ") {
		name, value, _ := strings.Cut(word, "=")
		if name == "set" {
			i.Name = value
			seen |= 1
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			continue
		}
		switch name {
		case "version":
			i.Version = uint64(n)
			seen |= 2
		case "issued":
			i.Issued = time.Unix(n, 0).UTC()
			seen |= 4
		case "expires":
			i.Expires = time.Unix(n, 0).UTC()
			seen |= 8
		}
	}
	if seen != 15 || i.Version == 0 {
		return i, errors.New("trusted comment lacks set, version, issued or expires")
	}
	return i, nil
}

// VerifySet checks that payload is the named set, signed by key, newer than
// the version held, and not past its life.
func VerifySet(key PublicKey, name string, held uint64, payload []byte, minisig string, now time.Time) (SetInfo, error) {
	comment, err := key.Verify(payload, minisig)
	if err != nil {
		return SetInfo{}, fmt.Errorf("set %s: %w", name, err)
	}
	info, err := parseComment(comment)
	if err != nil {
		return SetInfo{}, fmt.Errorf("set %s: %w", name, err)
	}
	switch {
	case info.Name != name:
		return info, fmt.Errorf("set %s: the signature is for set %.40q", name, info.Name)
	case info.Version <= held:
		return info, fmt.Errorf("set %s: version %d, version %d is held: %w", name, info.Version, held, ErrSetOld)
	case !now.Before(info.Expires):
		return info, fmt.Errorf("set %s: version %d ended at %s (now %s): %w", name, info.Version, info.Expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339), ErrSetExpired)
	}
	return info, nil
}
