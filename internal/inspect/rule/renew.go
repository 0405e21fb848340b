package rule

import "github.com/masugata/masugata/internal/inspect/protocol"

// renew forgets what belongs to an earlier set, but for the rules that have
// fired and are in the present set too.
func (in *Inspector) renew(ins *protocol.Inspection) {
	for d := range 2 {
		ins.Pending[d] = ins.Pending[d][:0]
		ins.Alerted[d] = in.translate(ins.Alerted[d], ins.Epoch)
		ins.Inspected[d] = protocol.StageNone
		for i := range ins.Scanned[d] {
			ins.Scanned[d][i].Upto, ins.Scanned[d][i].Final = 0, false
		}
	}
	ins.Epoch = in.epoch
}

// translate gives the numbers in the present set of rules that had others in
// the set of an epoch. It works in place.
func (in *Inspector) translate(ids []uint32, epoch uint32) []uint32 {
	if in.epoch-epoch > maxFormer {
		return ids[:0]
	}
	for ; epoch != in.epoch; epoch++ {
		next := in.former[epoch%maxFormer]
		kept := ids[:0]
		for _, id := range ids {
			if int(id) < len(next) && next[id] != 0 {
				kept = append(kept, next[id]-1)
			}
		}
		ids = kept
	}
	return ids
}

// successors tells for each rule of a set its number in the next one, plus
// one; 0 when it is not there with the same revision.
func successors(old, set []Meta) []uint32 {
	type name struct{ gid, sid, rev uint32 }
	at := make(map[name]uint32, len(set))
	for i := range set {
		m := &set[i]
		at[name{m.GID, m.SID, m.Rev}] = uint32(i) + 1
	}
	next := make([]uint32, len(old))
	for i := range old {
		m := &old[i]
		next[i] = at[name{m.GID, m.SID, m.Rev}]
	}
	return next
}
