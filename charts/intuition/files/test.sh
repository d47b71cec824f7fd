# `helm test`: what the release promises, asked from a pod of its own. Environment: BROKER (scheme://host:port, or empty),
# OWN_BROKER and AUTH (true or empty), OPERATOR (URL of its /readyz, or empty).
set -eu
umask 077

fail() {
    echo "failed: $1" >&2
    exit 1
}

# One option a line, as the clients read them; the password is in no argument.
client_options() {
    export XDG_CONFIG_HOME="/tmp/$1"
    mkdir -p "$XDG_CONFIG_HOME"
    address=${BROKER#*://}
    {
        printf -- '-h %s\n-p %s\n' "${address%:*}" "${address##*:}"
        case $BROKER in
        mqtts://*)
            if [ -e /etc/intuition/broker/ca.crt ]; then
                printf -- '--cafile /etc/intuition/broker/ca.crt\n'
            else
                printf -- '--cafile /etc/ssl/certs/ca-certificates.crt\n'
            fi
            ;;
        esac
        if [ -e /etc/intuition/broker/username ] && [ "$1" != anonymous ]; then
            printf -- '-u %s\n' "$(cat /etc/intuition/broker/username)"
        fi
        case $1 in
        right) if [ -e /etc/intuition/broker/password ]; then printf -- '-P %s\n' "$(cat /etc/intuition/broker/password)"; fi ;;
        wrong) printf -- '-P no-%s\n' "$(cat /etc/intuition/broker/password)" ;;
        esac
    } >"$XDG_CONFIG_HOME/mosquitto_pub"
    cp "$XDG_CONFIG_HOME/mosquitto_pub" "$XDG_CONFIG_HOME/mosquitto_sub"
}

# A topic that nobody has.
topic="intuition-helm-test/$(cat /proc/sys/kernel/random/uuid)"
if [ -n "$BROKER" ] && [ -n "$OWN_BROKER" ]; then
    client_options right
    sent=$(cat /proc/sys/kernel/random/uuid)
    mosquitto_pub -q 1 -r -t "$topic" -m "$sent" || fail "publishing at $BROKER"
    received=$(mosquitto_sub -q 1 -t "$topic" -C 1 -W 10) || fail "subscribing at $BROKER"
    [ "$sent" = "$received" ] || fail "$BROKER gave '$received' for '$sent'"
    mosquitto_pub -q 1 -r -t "$topic" -n || fail "removing the retained message at $BROKER"
    echo "passed: the broker at $BROKER delivers"
    if [ -n "$AUTH" ]; then
        for who in wrong anonymous; do
            client_options "$who"
            if mosquitto_pub -q 1 -t "$topic" -m x 2>/dev/null; then fail "$BROKER lets in a client with $who credentials"; fi
        done
        echo "passed: the broker refuses a wrong password, and none"
    fi
elif [ -n "$BROKER" ]; then
    # A login only: what may be published on another's broker is not ours to try.
    client_options right
    mosquitto_sub -q 1 -t "$topic" -E || fail "logging in at $BROKER"
    echo "passed: the broker at $BROKER lets us in"
fi

if [ -n "$OPERATOR" ]; then
    # Not -T: with it, the wget of busybox 1.35 crashes.
    timeout 10 wget -q -O /tmp/readyz "$OPERATOR" || fail "the operator is not ready: $OPERATOR"
    echo "passed: the operator is ready: $(cat /tmp/readyz)"
fi
