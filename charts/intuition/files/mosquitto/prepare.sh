# Runs before mosquitto, in sh: hashes the password for the broker, and writes what lets mosquitto_pub and mosquitto_sub log in
# when they are started in this pod. The password is in no argument, which other processes could read.
set -eu
umask 077

username=$(cat /etc/intuition/broker/username)
password=$(cat /etc/intuition/broker/password)
if [ -z "$username" ] || [ -z "$password" ]; then
    echo "The broker's Secret needs the keys username and password, neither empty." >&2
    exit 1
fi

# It asks twice, and reads the answers from here.
printf '%s\n%s\n' "$password" "$password" | mosquitto_passwd -c /run/mosquitto/passwd "$username" >/dev/null

mkdir -p /run/mosquitto/client
for client in mosquitto_pub mosquitto_sub mosquitto_rr; do
    printf -- '-u %s\n-P %s\n' "$username" "$password" >"/run/mosquitto/client/$client"
done
