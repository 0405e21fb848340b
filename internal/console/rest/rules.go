package rest

import "github.com/masugata/masugata/internal/model"

// rule says who may call an operation.
type rule struct {
	public bool         // without signing in
	reads  bool         // it changes nothing though it is a POST: not in the audit trail
	least  model.Access // otherwise, at least this
}

// ruleOf gives the rule of an operation by its ID. An operation without a
// rule is refused to everybody, and the tests fail.
func ruleOf(operation string) (rule, bool) {
	switch operation {
	case "get-setup", "finish-setup", "sign-in":
		return rule{public: true}, true
	case "get-session", "sign-out", "change-password",
		"get-overview", "get-status",
		"list-events", "get-event", "histogram-events", "top-events", "live-events",
		"list-incidents", "get-incident",
		"list-actions", "get-action",
		"list-devices", "get-device",
		"list-parts",
		"reputation-summary", "lookup-reputation", "explain-reputation", "list-feeds", "list-reputation-entries",
		"reputation-snapshot", "reputation-snapshot-part", "reputation-hits", "list-reputation-reports",
		"get-policy",
		"list-tokens", "create-token", "delete-token":
		return rule{least: model.AccessViewer}, true
	case "lookup-reputations", "reputation-hashes", "batch-reputation":
		return rule{least: model.AccessViewer, reads: true}, true
	case "reputation-what-if":
		return rule{least: model.AccessOperator, reads: true}, true
	case "close-incident",
		"create-action", "approve-action", "undo-action",
		"name-device",
		"list-enroll-tokens", "create-enroll-token", "delete-enroll-token",
		"fetch-feed", "set-reputation-entry", "remove-reputation-entry",
		"report-reputation", "decide-reputation-report",
		"dry-run-policy":
		return rule{least: model.AccessOperator}, true
	case "revoke-part", "set-policy",
		"release-feed", "upload-feed", "remove-feed",
		"list-users", "create-user", "delete-user",
		"list-audit":
		return rule{least: model.AccessAdmin}, true
	}
	return rule{}, false
}
