# The current LTS of Node; 20.18 and newer work, but 20 gets no more security releases.
FROM node:24-slim AS build
WORKDIR /spillway
COPY package.json package-lock.json ./
# Scripts are for later: there is nothing to build yet.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
COPY test test
COPY bench bench
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /spillway
COPY --from=build /spillway/package.json ./
COPY --from=build /spillway/node_modules node_modules
COPY --from=build /spillway/dist/src dist/src
COPY config config
# The truth of a file store; give it a volume of its own.
RUN mkdir /data && chown node /data
VOLUME /data
USER node
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=2s CMD ["node", "-e", "fetch('http://127.0.0.1:8081/ready').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/cli.js"]
CMD ["run", "--config", "config/docker.yaml"]
