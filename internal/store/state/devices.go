package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/state/sqldb"
)

// UpsertDevices stores what is known of devices, all in one transaction. For
// known devices, empty fields do not erase what is stored, FirstSeen only
// falls, LastSeen only rises, a name or kind that a person gave stays, and
// State is not touched (see SetDeviceState).
func (s *Store) UpsertDevices(ctx context.Context, devices []model.Device) error {
	if len(devices) == 0 {
		return nil
	}
	return s.tx(ctx, func(q *sqldb.Queries) error {
		for _, d := range devices {
			if err := upsertDevice(ctx, q, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func upsertDevice(ctx context.Context, q *sqldb.Queries, d model.Device) error {
	if d.ID == "" {
		return fmt.Errorf("save device: it has no id: %w", model.ErrInvalid)
	}
	row, err := q.GetDevice(ctx, string(d.ID))
	if errors.Is(err, sql.ErrNoRows) {
		if d.State == "" {
			d.State = model.DeviceOK
		}
		return putDevice(ctx, q, d, "", "")
	}
	if err != nil {
		return wrap(err, "save device %s", d.ID)
	}
	old, err := decode[model.Device](row.Doc)
	if err != nil {
		return err
	}
	return putDevice(ctx, q, mergeDevice(old, d), row.GivenName, row.GivenKind)
}

// mergeDevice adds what is new to what is known.
func mergeDevice(old, d model.Device) model.Device {
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&old.Name, d.Name}, {&old.Kind, d.Kind}, {&old.MAC, d.MAC}, {&old.Vendor, d.Vendor}, {&old.Hostname, d.Hostname},
	} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if d.Agent != "" {
		old.Agent = d.Agent
	}
	if d.Gate != "" {
		old.Gate = d.Gate
	}
	if d.VLAN != 0 {
		old.VLAN = d.VLAN
	}
	if len(d.Addrs) > 0 {
		old.Addrs = d.Addrs
	}
	if !d.FirstSeen.IsZero() && (old.FirstSeen.IsZero() || d.FirstSeen.Before(old.FirstSeen)) {
		old.FirstSeen = d.FirstSeen
	}
	if d.LastSeen.After(old.LastSeen) {
		old.LastSeen = d.LastSeen
	}
	// Counters are the gate's own and start anew with it; who does not count
	// says nothing of them.
	if d.TxPackets|d.TxBytes|d.RxPackets|d.RxBytes != 0 {
		old.TxPackets, old.TxBytes, old.RxPackets, old.RxBytes = d.TxPackets, d.TxBytes, d.RxPackets, d.RxBytes
	}
	return old
}

// putDevice stores what parts say of d and what people gave beside it.
func putDevice(ctx context.Context, q *sqldb.Queries, d model.Device, name, kind string) error {
	doc, err := encode(d)
	if err != nil {
		return err
	}
	words := []string{string(d.ID), name, kind, d.Name, d.Kind, d.MAC, d.Vendor, d.Hostname, string(d.State), string(d.Agent), string(d.Gate)}
	for _, a := range d.Addrs {
		words = append(words, a.String())
	}
	return wrap(q.PutDevice(ctx, sqldb.PutDeviceParams{
		ID: string(d.ID), GivenName: name, GivenKind: kind, Agent: string(d.Agent), State: string(d.State),
		Search: strings.ToLower(strings.Join(words, "\n")), Doc: doc,
	}), "save device %s", d.ID)
}

func loadDevice(row sqldb.Device) (model.Device, error) {
	d, err := decode[model.Device](row.Doc)
	if row.GivenName != "" {
		d.Name = row.GivenName
	}
	if row.GivenKind != "" {
		d.Kind = row.GivenKind
	}
	return d, err
}

// changeDevice runs f on a device's row and gives it back as it is then.
func (s *Store) changeDevice(ctx context.Context, id model.DeviceID, f func(d *model.Device, row *sqldb.Device)) (model.Device, error) {
	var out model.Device
	err := s.tx(ctx, func(q *sqldb.Queries) error {
		row, err := q.GetDevice(ctx, string(id))
		if err != nil {
			return wrap(err, "device %s", id)
		}
		d, err := decode[model.Device](row.Doc)
		if err != nil {
			return err
		}
		f(&d, &row)
		if err := putDevice(ctx, q, d, row.GivenName, row.GivenKind); err != nil {
			return err
		}
		if row, err = q.GetDevice(ctx, string(id)); err != nil {
			return wrap(err, "device %s", id)
		}
		out, err = loadDevice(row)
		return err
	})
	return out, err
}

// NameDevice sets the name and kind that people gave; nil leaves it, "" goes
// back to what parts say.
func (s *Store) NameDevice(ctx context.Context, id model.DeviceID, name, kind *string) (model.Device, error) {
	return s.changeDevice(ctx, id, func(_ *model.Device, row *sqldb.Device) {
		if name != nil {
			row.GivenName = strings.TrimSpace(*name)
		}
		if kind != nil {
			row.GivenKind = strings.TrimSpace(*kind)
		}
	})
}

// SetDeviceState sets how the device stands.
func (s *Store) SetDeviceState(ctx context.Context, id model.DeviceID, st model.DeviceState) (model.Device, error) {
	return s.changeDevice(ctx, id, func(d *model.Device, _ *sqldb.Device) { d.State = st })
}

// Device gives one device; model.ErrNotFound.
func (s *Store) Device(ctx context.Context, id model.DeviceID) (model.Device, error) {
	row, err := s.db().GetDevice(ctx, string(id))
	if err != nil {
		return model.Device{}, wrap(err, "device %s", id)
	}
	return loadDevice(row)
}

// maxWords is how many words a search for devices takes.
const maxWords = 4

// Devices gives a page of devices in the order of their IDs. Words, at most
// four, are all looked for in id, name, kind, addresses, vendor, host name,
// state and parts, in any case.
func (s *Store) Devices(ctx context.Context, words string, p model.Page) (list []model.Device, next string, err error) {
	patterns := [maxWords]string{"%", "%", "%", "%"}
	fields := strings.Fields(strings.ToLower(words))
	if len(fields) > maxWords {
		return nil, "", fmt.Errorf("q has %d words; at most %d: %w", len(fields), maxWords, model.ErrInvalid)
	}
	escape := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)
	for i, f := range fields {
		patterns[i] = "%" + escape.Replace(f) + "%"
	}
	limit, n := most(p)
	rows, err := s.db().ListDevices(ctx, sqldb.ListDevicesParams{
		After: p.Before, Word1: patterns[0], Word2: patterns[1], Word3: patterns[2], Word4: patterns[3], Most: n,
	})
	if err != nil {
		return nil, "", wrap(err, "devices")
	}
	rows, next = cut(rows, limit, func(r sqldb.Device) string { return r.ID })
	list = make([]model.Device, len(rows))
	for i, row := range rows {
		if list[i], err = loadDevice(row); err != nil {
			return nil, "", err
		}
	}
	return list, next, nil
}
