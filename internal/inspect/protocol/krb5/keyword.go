package krb5

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

func keywords() []protocol.Keyword {
	return []protocol.Keyword{{
		Name: "krb5.ticket_encryption", Aliases: []string{"krb5_ticket_encryption"}, Dirs: protocol.BothWays, On: []protocol.ID{protocol.KRB5}, Stage: protocol.StageStart,
		Doc: "encryption of the ticket: weak, !weak, or a list of names and numbers (rc4-hmac,des-cbc-md5)", Compile: compileTicket,
	}}
}

func compileTicket(arg string) (protocol.Test, error) {
	rest, not := strings.CutPrefix(strings.TrimSpace(arg), "!")
	rest = strings.TrimSpace(rest)
	if rest == "weak" {
		return func(tx protocol.Tx, _ packet.Direction) bool {
			t, ok := tx.(*Tx)
			return ok && t.hasTicket && weak(t.ticket) != not
		}, nil
	}
	words := strings.FieldsFunc(rest, func(r rune) bool { return r == ',' || r == ' ' })
	if len(words) == 0 || not {
		return nil, fmt.Errorf("krb5.ticket_encryption: %q is not weak, !weak or a list of encryption types", arg)
	}
	var wanted []int32
	for _, w := range words {
		n, err := cipherNumber(w)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, n)
	}
	return func(tx protocol.Tx, _ packet.Direction) bool {
		t, ok := tx.(*Tx)
		if !ok || !t.hasTicket {
			return false
		}
		for _, n := range wanted {
			if n == t.ticket {
				return true
			}
		}
		return false
	}, nil
}

func cipherNumber(word string) (int32, error) {
	if n, err := strconv.ParseInt(word, 10, 32); err == nil {
		return int32(n), nil
	}
	for i := range ciphers {
		if strings.EqualFold(ciphers[i].name, word) {
			return ciphers[i].number, nil
		}
	}
	return 0, fmt.Errorf("krb5.ticket_encryption: %q is not an encryption type such as rc4-hmac or 23", word)
}
