// A JSON API for pages of another origin: what they may do, the function's
// address says (see mayfly.json), so that there is nothing of CORS here.
export const handler = async (event) => {
  const { name } = JSON.parse(event.body)
  return {
    statusCode: 200,
    headers: { 'content-type': 'application/json', 'x-served-by': process.env.AWS_LAMBDA_FUNCTION_NAME },
    body: JSON.stringify({ text: `Hello, ${name}!`, path: event.rawPath }),
  }
}
