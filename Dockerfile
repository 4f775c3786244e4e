# lead-intake as one static program in an empty image: `docker build -t lead-intake .`
# Any other program of the workspace: `docker build --build-arg PROGRAM=webhook-gateway -t webhook-gateway .`
#
# `cargo xtask image` builds the same without Docker, and tries it in an empty root.

# The version of rust-toolchain.toml.
FROM rust:1.95.0-bookworm AS build
ARG PROGRAM=lead-intake
WORKDIR /src
COPY . .
# The C library is linked in. `--target` keeps the flag from macros, which are libraries of the compiler.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target="$(uname -m)-unknown-linux-gnu" \
    && RUSTFLAGS="-C target-feature=+crt-static" \
       cargo build --locked --release --target "$target" --package "$PROGRAM" --bin "$PROGRAM" \
    && mkdir -p /root-of-image/etc/ssl/certs /root-of-image/srv/var /root-of-image/tmp \
    && install -m 0755 "target/$target/release/$PROGRAM" /root-of-image/program \
    && cp /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ \
    && chmod 1777 /root-of-image/tmp \
    && chown -R 10001:10001 /root-of-image/srv

# Nothing but the program, the certificates it trusts amoCRM by, and a place for data.
FROM scratch
COPY --from=build /root-of-image/ /
# A user without a name, for there is no /etc/passwd.
USER 10001:10001
WORKDIR /srv
# The SQLite database. Everything else is stateless.
VOLUME /srv/var
ENV SERVER_HOST=0.0.0.0 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
EXPOSE 8000 8001 8002
# There is no shell and no curl here: the program asks itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/program", "health"]
ENTRYPOINT ["/program"]
