// A JSON endpoint: it answers the body of its request.
exports.handler = async (event) => ({ statusCode: 200, headers: { 'content-type': 'application/json' }, body: event.body })
