package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/masugata/masugata/internal/intel/reputation/snapshot"
)

func (s *session) snapshot() *cobra.Command {
	return &cobra.Command{Use: "snapshot [FILE]", Short: "Show the signed snapshot for look-up nodes and its key, or write it to a file", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return s.show(cmd, "/reputation/snapshot", map[string][]string{"above": {"18446744073709551615"}}, "", cols("version", "issued", "entries", "bytes", "key"))
			}
			return s.writeSnapshot(cmd, args[0])
		}}
}

// writeSnapshot writes the newest snapshot to a file, whole or not at all.
func (s *session) writeSnapshot(cmd *cobra.Command, path string) error {
	if err := s.check(); err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	c.http.Timeout = 0 // a large one takes long; the command can be stopped
	var v struct {
		Version  uint64 `json:"version"`
		Manifest string `json:"manifest"`
		Minisig  string `json:"minisig"`
	}
	if err := c.call(cmd.Context(), http.MethodGet, "/reputation/snapshot", nil, nil, &v); err != nil {
		return err
	}
	payload := []byte(v.Manifest)
	const most = 1 << 40 // what is written is for look-up nodes to hold against their bounds
	m, err := snapshot.Parse(payload, snapshot.Limits{Entries: most, Packed: most, Size: most})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	err = snapshot.WriteArchive(f, m, payload, v.Minisig, func(src *snapshot.Source, w io.Writer) error {
		return c.copy(cmd.Context(), "/reputation/snapshot/parts/"+src.SHA256, w, src.Packed)
	})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	entries, packed, _ := m.Totals()
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: version %d, %d sources, %d entries, %d bytes\n", path, v.Version, len(m.Sources), entries, packed)
	return err
}

// copy writes what GET path gives, which has size bytes, to w.
func (c *client) copy(ctx context.Context, path string, w io.Writer, size int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/v1"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		if err != nil {
			return err
		}
		return refusal(resp.StatusCode, answer)
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, size+1))
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes, not %d", path, n, size)
	}
	return err
}
