# One image for every command: `docker run umbel register`, `… watch`, `… sql`. The embedded Postgres is left out:
# give DATABASE_URL.
FROM node:26-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:26-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY migrations ./migrations
COPY cmd ./cmd
COPY src ./src
USER node
EXPOSE 8000
# For the register server; a container that runs another command says its own, as docker-compose.yml does.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8000}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/cmd/umbel.js"]
CMD ["--help"]
