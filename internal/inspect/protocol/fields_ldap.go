package protocol

// Fields of LDAP.
const (
	LDAPRequestOperation Field = familyWindows + 96 + iota
	LDAPRequestDN
	LDAPResponsesOperation  // several
	LDAPResponsesCount      // of the transaction
	LDAPResponsesDN         // several
	LDAPResponsesResultCode // several
	LDAPResponsesMessage    // several
	LDAPAttributeType       // several, of requests
	LDAPResponsesAttributeType
	LDAPRequestAttributes
	LDAPResponsesAttributes
)

var onLDAP = []ID{LDAP}

// LDAPOperations are the protocol operations of LDAP by name (RFC 4511).
func LDAPOperations() map[string]uint64 {
	return map[string]uint64{
		"bind_request": 0, "bind_response": 1, "unbind_request": 2, "search_request": 3, "search_result_entry": 4,
		"search_result_done": 5, "modify_request": 6, "modify_response": 7, "add_request": 8, "add_response": 9,
		"del_request": 10, "del_response": 11, "mod_dn_request": 12, "mod_dn_response": 13, "compare_request": 14,
		"compare_response": 15, "abandon_request": 16, "search_result_reference": 19, "extended_request": 23,
		"extended_response": 24, "intermediate_response": 25,
	}
}

func ldapFields() []FieldSpec {
	return []FieldSpec{
		{Field: LDAPRequestOperation, Keyword: "ldap.request.operation", Kind: KindUint, Width: 8, Dirs: ToServerOnly, On: onLDAP, Stage: StageDone, Names: LDAPOperations(), Doc: "operation of the request"},
		{Field: LDAPRequestDN, Keyword: "ldap.request.dn", Kind: KindBytes, Dirs: ToServerOnly, On: onLDAP, Stage: StageDone, Doc: "distinguished name that the request is about"},
		{Field: LDAPResponsesCount, Keyword: "ldap.responses.count", Kind: KindUint, Width: 32, Dirs: ToClientOnly, On: onLDAP, Stage: StageDone, Doc: "number of responses to the request"},
		{Field: LDAPResponsesDN, Keyword: "ldap.responses.dn", Kind: KindBytes, Dirs: ToClientOnly, On: onLDAP, Stage: StageDone, Multi: true, Doc: "distinguished name in a response (empty where it has none)"},
		{Field: LDAPResponsesMessage, Keyword: "ldap.responses.message", Kind: KindBytes, Dirs: ToClientOnly, On: onLDAP, Stage: StageDone, Multi: true, Doc: "diagnostic message of a response (empty where it has none)"},
		{Field: LDAPAttributeType, Keyword: "ldap.request.attribute_type", Kind: KindBytes, Dirs: ToServerOnly, On: onLDAP, Stage: StageDone, Multi: true, Doc: "attribute type named in a request"},
		{Field: LDAPResponsesAttributeType, Keyword: "ldap.responses.attribute_type", Kind: KindBytes, Dirs: ToClientOnly, On: onLDAP, Stage: StageDone, Multi: true, Doc: "attribute type in a search result entry"},
		{Field: LDAPRequestAttributes, Keyword: "ldap.request.attributes", Kind: KindBytes, Dirs: ToServerOnly, On: onLDAP, Stage: StageDone, Multi: true, Doc: "type=value of an attribute in a request"},
		{Field: LDAPResponsesAttributes, Keyword: "ldap.responses.attributes", Kind: KindBytes, Dirs: ToClientOnly, On: onLDAP, Stage: StageDone, Multi: true, Doc: "type=value of an attribute in a search result entry"},
	}
}
