# What DevStack offers to a plugin, as far as the plugin uses it: each call is noted in $CALLS.
# iniset is DevStack's own in what it does to a file, for sections and settings that are new to it.

note() { printf '%s\n' "$*" >> "$CALLS"; }
for name in define_plugin enable_service echo_summary install_package pip_install_gr create_service_user \
    get_or_create_service get_or_create_endpoint run_process stop_process wait_for_service; do
    eval "$name() { note $name \"\$@\"; }"
done

is_service_enabled() {
    local service
    for service in "$@"; do
        [[ ",$ENABLED_SERVICES," == *",$service,"* ]] && return 0
    done
    return 1
}
sudo() { "$@"; }
die() { echo "died: ${*:2}" >&2; exit 1; }
get_notification_url() {
    if is_service_enabled rabbit; then echo "rabbit://stackrabbit:secret@127.0.0.1:5672/"; fi
}
PYTHON3_VERSION=3
python3() { # -m venv FOLDER: an environment whose pip notes what it is to install
    note python3 "$@"
    mkdir -p "$3/bin"
    printf '#!/bin/sh\necho pip "$@" >> "%s"\n' "$CALLS" > "$3/bin/pip"
    chmod +x "$3/bin/pip"
}
iniset() {
    local file=$1 section=$2 name=$3 value=$4
    grep -qF "[$section]" "$file" || printf '\n[%s]\n' "$section" >> "$file"
    sed -i "/^\[$section\]\$/a $name = $value" "$file"
}
