# Two stages: the first builds plain JavaScript and installs production dependencies, the second holds only what runs.
FROM node:26-bookworm-slim AS build
WORKDIR /src
COPY . .
RUN npm ci --ignore-scripts && npm run build
WORKDIR /src/dist
RUN npm ci --omit=dev --ignore-scripts -w gateway -w cli -w drivers -w operators -w policy -w sdk

FROM node:26-bookworm-slim
LABEL org.opencontainers.image.title="Fibric Edge" \
      org.opencontainers.image.description="On-site gateway: senses, lets operators propose, disposes through a receipted executor"
ENV NODE_ENV=production FIBRIC_DATA=/var/lib/fibric NODE_COMPILE_CACHE=/var/lib/fibric/compile-cache
# glibc gives back what is freed, and keeps it in one place: a sixth of a gateway at rest (bench/README.md).
ENV MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
COPY --from=build --chown=root:root /src/dist /opt/fibric
RUN mkdir -p /var/lib/fibric && chown 10001:10001 /var/lib/fibric && ln -s /opt/fibric/cli/fibric.cjs /usr/local/bin/fibric
USER 10001:10001
VOLUME /var/lib/fibric
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["fibric", "status", "--data", "/var/lib/fibric"]
ENTRYPOINT ["node", "/opt/fibric/cli/main.js"]
CMD ["up", "/etc/fibric/site.yaml", "--data", "/var/lib/fibric"]
