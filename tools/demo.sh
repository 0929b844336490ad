#!/usr/bin/env bash
# A whole deployment on real services, from nothing: bash tools/demo.sh [--keep] [--delete]
# Or bare metal on emulated servers, from nothing:   bash tools/demo.sh --nodes N [--keep]
#
#   --keep     leave the undercloud running and say how to go on
#   --delete   delete the stack and the plan at the end
#   --nodes N  register, introspect and provide N nodes instead of deploying a plan
#
# TRIPLEO_DEMO_DIR holds the undercloud (default: .demo in the tree).
set -euo pipefail
. "$(dirname "$0")/environment.sh"

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }

keep= delete= nodes=
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=yes ;;
        --delete) delete=yes ;;
        --nodes) shift; nodes=${1:-}; case $nodes in ''|0|*[!0-9]*) usage ;; esac ;;
        *) usage ;;
    esac
    shift
done

plan=overcloud
state=${TRIPLEO_DEMO_DIR:-$tree/.demo}

say() { printf '\n== %s\n' "$*"; }

prepare_environment undercloud

finish() {
    if [ -z "$keep" ]; then
        say "Stopping the undercloud"
        tripleo-undercloud down --state-dir "$state"
    fi
}
trap finish EXIT

say "Starting an undercloud in $state"
tripleo-undercloud up --state-dir "$state" --ports free ${nodes:+--nodes "$nodes"}
eval "$(tripleo-undercloud env --state-dir "$state")"
tripleo-undercloud status --state-dir "$state"

# The rest is what any user would type; follow.py shows an execution until it has ended.
follow() { python "$tree/tools/follow.py" "$@"; }

if [ -n "$nodes" ]; then
    say "Putting the list of $nodes nodes, with the passwords of their BMCs, into Swift"
    list=$(mktemp)
    tripleo-undercloud instackenv --state-dir "$state" > "$list"
    swift upload --object-name instackenv.json nodes "$list"
    names=$(python -c 'import json, sys; print(json.dumps([n["name"] for n in json.load(sys.stdin)["nodes"]]))' < "$list")
    rm -f "$list"

    say "Registering the nodes"
    follow tripleo.baremetal.v1.register_or_update \
        '{"nodes_json": {"container": "nodes", "object": "instackenv.json"}}'
    swift delete nodes instackenv.json

    if mistral run-action tripleo.baremetal.list |
        grep -qE '"provision_state": "(available|inspect failed)"'; then
        say "Some are there from the last time: making them manageable again"
        follow tripleo.baremetal.v1.manage "{\"node_uuids\": $names}"
    fi

    say "Introspecting them"
    follow tripleo.baremetal.v1.introspect_manageable_nodes '{"concurrency": 20}'

    say "Choosing their root devices"
    follow tripleo.baremetal.v1.configure_manageable_nodes '{"root_device": "smallest"}'

    say "Making them available"
    follow tripleo.baremetal.v1.provide_manageable_nodes '{}'

    say "What stands now (* is the root device)"
    python "$tree/tools/show_nodes.py"

    if [ -n "$keep" ]; then
        say "The undercloud is left running. To go on:"
        cat <<TEXT
  eval "\$($venv/bin/tripleo-undercloud env --state-dir $state)"
  mistral run-action tripleo.baremetal.facts '{"node_uuid": "node-0"}'
  mistral execution-create tripleo.baremetal.v1.manage '{"node_uuids": ["node-0"]}'
  mistral execution-create tripleo.baremetal.v1.delete '{"node_uuids": ["node-0"]}'
  $venv/bin/tripleo-undercloud down --state-dir $state
TEXT
    fi
    exit 0
fi

if mistral run-action tripleo.plan.list | grep -q "\"$plan\""; then
    say "The plan $plan is there from the last time"
else
    say "Creating the plan $plan from templates/"
    follow tripleo.plan_management.v1.create_default_deployment_plan "{\"container\": \"$plan\"}"
fi
mistral run-action tripleo.role.list "{\"container\": \"$plan\"}"

say "Setting two parameters"
mistral run-action tripleo.parameters.update \
    "{\"container\": \"$plan\", \"parameters\": {\"ComputeCount\": 2, \"Debug\": true}}"

say "Deploying it"
follow tripleo.deployment.v1.deploy_plan "{\"container\": \"$plan\", \"timeout\": 30}" "$plan"

say "What stands now"
python "$tree/tools/show_stack.py" "$plan" hosts EnabledServices endpoints

if [ -n "$delete" ]; then
    say "Deleting stack and plan"
    follow tripleo.stack.v1.delete_stack "{\"stack\": \"$plan\"}" "$plan"
    follow tripleo.plan_management.v1.delete_deployment_plan "{\"container\": \"$plan\"}"
fi

if [ -n "$keep" ]; then
    say "The undercloud is left running. To go on:"
    cat <<TEXT
  eval "\$($venv/bin/tripleo-undercloud env --state-dir $state)"
  mistral execution-create tripleo.deployment.v1.deploy_plan '{"container": "$plan"}'
  mistral execution-list
  mistral execution-create tripleo.stack.v1.delete_stack '{"stack": "$plan"}'
  mistral execution-create tripleo.plan_management.v1.delete_deployment_plan '{"container": "$plan"}'
  $venv/bin/tripleo-undercloud down --state-dir $state
TEXT
fi
