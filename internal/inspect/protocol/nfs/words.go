package nfs

import "strings"

var (
	names2 = [...]string{"NULL", "GETATTR", "SETATTR", "ROOT", "LOOKUP", "READLINK", "READ", "WRITECACHE", "WRITE", "CREATE", "REMOVE", "RENAME", "LINK", "SYMLINK", "MKDIR", "RMDIR", "READDIR", "STATFS"}
	names3 = [...]string{
		"NULL", "GETATTR", "SETATTR", "LOOKUP", "ACCESS", "READLINK", "READ", "WRITE", "CREATE", "MKDIR", "SYMLINK", "MKNOD", "REMOVE", "RMDIR",
		"RENAME", "LINK", "READDIR", "READDIRPLUS", "FSSTAT", "FSINFO", "PATHCONF", "COMMIT",
	}
	names4 = [...]string{
		0: "NULL", 1: "COMPOUND", 3: "ACCESS", 4: "CLOSE", 5: "COMMIT", 6: "CREATE", 7: "DELEGPURGE", 8: "DELEGRETURN", 9: "GETATTR", 10: "GETFH", 11: "LINK",
		12: "LOCK", 13: "LOCKT", 14: "LOCKU", 15: "LOOKUP", 16: "LOOKUPP", 17: "NVERIFY", 18: "OPEN", 19: "OPENATTR", 20: "OPEN_CONFIRM", 21: "OPEN_DOWNGRADE",
		22: "PUTFH", 23: "PUTPUBFH", 24: "PUTROOTFH", 25: "READ", 26: "READDIR", 27: "READLINK", 28: "REMOVE", 29: "RENAME", 30: "RENEW", 31: "RESTOREFH",
		32: "SAVEFH", 33: "SECINFO", 34: "SETATTR", 35: "SETCLIENTID", 36: "SETCLIENTID_CONFIRM", 37: "VERIFY", 38: "WRITE", 39: "RELEASE_LOCKOWNER",
		40: "BACKCHANNEL_CTL", 41: "BIND_CONN_TO_SESSION", 42: "EXCHANGE_ID", 43: "CREATE_SESSION", 44: "DESTROY_SESSION", 45: "FREE_STATEID",
		46: "GET_DIR_DELEGATION", 47: "GETDEVICEINFO", 48: "GETDEVICELIST", 49: "LAYOUTCOMMIT", 50: "LAYOUTGET", 51: "LAYOUTRETURN", 52: "SECINFO_NO_NAME",
		53: "SEQUENCE", 54: "SET_SSV", 55: "TEST_STATEID", 56: "WANT_DELEGATION", 57: "DESTROY_CLIENTID", 58: "RECLAIM_COMPLETE", 59: "ALLOCATE", 60: "COPY",
		61: "COPY_NOTIFY", 62: "DEALLOCATE", 63: "IO_ADVISE", 64: "LAYOUTERROR", 65: "LAYOUTSTATS", 66: "OFFLOAD_CANCEL", 67: "OFFLOAD_STATUS", 68: "READ_PLUS",
		69: "SEEK", 70: "WRITE_SAME", 71: "CLONE",
	}
)

func procedureNames(version uint32) []string {
	switch version {
	case 2:
		return names2[:]
	case 3:
		return names3[:]
	}
	return names4[:]
}

func procedureName(version, procedure uint32) string {
	if names := procedureNames(version); uint64(procedure) < uint64(len(names)) && names[procedure] != "" {
		return names[procedure]
	}
	return "ILLEGAL"
}

// procedureNumber is the number of a name in a version.
func procedureNumber(version uint32, name string) (uint32, bool) {
	for i, n := range procedureNames(version) {
		if n != "" && strings.EqualFold(n, name) {
			return uint32(i), true
		}
	}
	return 0, false
}

// statusName is eve.json's word for the outcome of a call (RFC 1813 section 2.6).
func statusName(status uint32) string {
	names := [...]struct {
		code uint32
		name string
	}{
		{0, "OK"}, {1, "ERR_PERM"}, {2, "ERR_NOENT"}, {5, "ERR_IO"}, {6, "ERR_NXIO"}, {13, "ERR_ACCES"}, {17, "ERR_EXIST"}, {18, "ERR_XDEV"}, {19, "ERR_NODEV"},
		{20, "ERR_NOTDIR"}, {21, "ERR_ISDIR"}, {22, "ERR_INVAL"}, {27, "ERR_FBIG"}, {28, "ERR_NOSPC"}, {30, "ERR_ROFS"}, {31, "ERR_MLINK"}, {63, "ERR_NAMETOOLONG"},
		{66, "ERR_NOTEMPTY"}, {69, "ERR_DQUOT"}, {70, "ERR_STALE"}, {71, "ERR_REMOTE"}, {10001, "ERR_BADHANDLE"}, {10002, "ERR_NOT_SYNC"}, {10003, "ERR_BAD_COOKIE"},
		{10004, "ERR_NOTSUPP"}, {10005, "ERR_TOOSMALL"}, {10006, "ERR_SERVERFAULT"}, {10007, "ERR_BADTYPE"}, {10008, "ERR_JUKEBOX"},
	}
	for _, n := range names {
		if n.code == status {
			return n.name
		}
	}
	return "ERR_UNKNOWN"
}

func rpcStatus(status uint32) string {
	names := [...]string{"ACCEPTED", "DENIED"}
	if int(status) < len(names) {
		return names[status]
	}
	return "UNKNOWN"
}

func authName(flavor uint32) string {
	switch flavor {
	case 0:
		return "NULL"
	case 1:
		return "UNIX"
	case 6:
		return "GSS"
	}
	return "UNKNOWN"
}
