# Upstream's node, held off the machine's settings.
ARG UPSTREAM
FROM $UPSTREAM
COPY spare-the-machine /usr/local/bin/spare-the-machine
ENTRYPOINT ["/usr/local/bin/spare-the-machine","/usr/local/bin/entrypoint","/sbin/init"]
