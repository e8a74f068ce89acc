# devstack/plugin.sh: called by DevStack as "source plugin.sh <mode> [phase]".
# shellcheck shell=bash

FUNCATRON_PLUGIN_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/funcatron
source "$FUNCATRON_PLUGIN_DIR/lib/funcatron"

if is_service_enabled funcatron-serve funcatron-worker funcatron-triggers; then
    case "$1 ${2:-}" in
        "stack pre-install")
            echo_summary "Installing what funcatron needs of the system"
            preinstall_funcatron
            ;;
        "stack install")
            echo_summary "Installing funcatron"
            install_funcatron
            ;;
        "stack post-config")
            echo_summary "Configuring funcatron and Swift's notifications"
            configure_funcatron
            configure_swift_notifications
            ;;
        "stack extra")
            echo_summary "Starting funcatron"
            create_funcatron_accounts
            start_funcatron
            ;;
        "stack test-config")
            check_funcatron
            ;;
        "unstack ")
            stop_funcatron
            ;;
        "clean ")
            stop_funcatron
            cleanup_funcatron
            ;;
    esac
fi
