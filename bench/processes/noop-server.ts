// The same HTTP framework with a route that does nothing: what single registrations are compared with.
import { fastify } from 'fastify';
import { answerParent } from './parent.ts';

const app = fastify();
app.post('/register/*', async () => ({ status: 'succeeded', taskId: 'noop', taskFlowId: 'noop' }));
const address = await app.listen({ host: '127.0.0.1', port: 0 });

answerParent({ stop: () => app.close() }, { address });
